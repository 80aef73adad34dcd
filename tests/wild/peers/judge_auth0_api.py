"""auth0-api-python: Auth0's own guard for APIs in Python; it takes nothing but https."""

import asyncio
from urllib.parse import urlsplit

from auth0_api_python import ApiClient, ApiClientOptions
from auth0_api_python.errors import BaseAuthError
from talk import perform


def judge(issuer, audience, calls, **_):
    client = ApiClient(ApiClientOptions(domain=urlsplit(issuer).netloc, audience=audience))

    async def one(authorization=None, query=""):
        headers = {} if authorization is None else {"authorization": authorization}
        try:
            said = await client.verify_request(headers, "GET", f"https://orders.example/orders{query}")
        except BaseAuthError as problem:
            return {"takes": False, "said": type(problem).__name__, "status": problem.get_status_code()}
        return {"takes": True, "sub": said["sub"]}

    async def each():
        return {name: await one(**call) for name, call in calls.items()}

    return asyncio.run(each())


perform({"judge": judge}, lambda _: {})

"""A process that calls an API through one SDK, from several threads at once, with the login of a keyfob client.

python sdk_worker.py SDK ISSUER API HOME    prints "ready", waits for a line, makes the calls, prints what came
"""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from keyfob.login import App, Session, aio

THREADS = 3


def app(issuer: str, home: str) -> App:
    return App(issuer=issuer, client_id="cli", profile="default", home=Path(home))


def google(session: Session, api: str) -> Callable[[], object]:
    from google.auth.transport.requests import AuthorizedSession

    credentials = session.auth_for_google()
    return lambda: AuthorizedSession(credentials).get(f"{api}/orders").status_code


def azure(session: Session, api: str) -> Callable[[], object]:
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy
    from azure.core.rest import HttpRequest

    # As each of Azure's clients builds its pipeline; they refuse plain http unless told otherwise.
    policy = BearerTokenCredentialPolicy(session.auth_for_azure(), "read:orders")
    client = PipelineClient(api, policies=[policy])
    return lambda: client.send_request(HttpRequest("GET", f"{api}/orders"), enforce_https=False).status_code


def azure_async(session: Session, api: str) -> Callable[[], object]:
    from azure.core import AsyncPipelineClient
    from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
    from azure.core.rest import HttpRequest

    async def call() -> int:
        own = aio.App(app(session.login.profile.issuer, sys.argv[4])).session()
        policy = AsyncBearerTokenCredentialPolicy(own.auth_for_azure(), "read:orders")
        async with AsyncPipelineClient(api, policies=[policy]) as client:
            response = await client.send_request(HttpRequest("GET", f"{api}/orders"), enforce_https=False)
            return int(response.status_code)

    return lambda: asyncio.run(call())


def botocore(session: Session, api: str) -> Callable[[], object]:
    import botocore.session

    aws = botocore.session.get_session()
    aws.register_component("token_provider", session.auth_for_botocore())
    client = aws.create_client("codecatalyst", region_name="us-west-2", endpoint_url=api)
    return lambda: client.list_spaces()["ResponseMetadata"]["HTTPStatusCode"]


def globus(session: Session, api: str) -> Callable[[], object]:
    import globus_sdk

    client = globus_sdk.BaseClient(base_url=api, authorizer=session.auth_for_globus())
    return lambda: client.get("/orders").http_status


def mcp(session: Session, api: str) -> Callable[[], object]:
    import httpx2
    from mcp.client.auth import OAuthClientProvider
    from mcp.shared.auth import OAuthClientMetadata

    async def call() -> int:
        metadata = OAuthClientMetadata(redirect_uris=["http://127.0.0.1/callback"])
        provider = OAuthClientProvider(f"{api}/orders", metadata, session.auth_for_mcp())
        async with httpx2.AsyncClient(auth=provider) as client:
            return int((await client.get(f"{api}/orders")).status_code)

    return lambda: asyncio.run(call())


def keyring(session: Session, api: str) -> Callable[[], object]:
    import keyring
    import requests

    from keyfob.cli.keyring_backend import KeyfobKeyring

    keyring.set_keyring(KeyfobKeyring())  # as its entry point does where keyfob is installed

    def call() -> int:
        token = keyring.get_password(f"{api}/orders", "__token__")
        return requests.get(f"{api}/orders", headers={"authorization": f"Bearer {token}"}, timeout=20).status_code

    return call


SDKS = {found.__name__: found for found in (google, azure, azure_async, botocore, globus, keyring, mcp)}

if __name__ == "__main__":
    name, issuer, api, home = sys.argv[1:]
    call = SDKS[name](app(issuer, home).session(), api)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    with ThreadPoolExecutor(THREADS) as pool:
        print(*[done.result() for done in [pool.submit(call) for _ in range(THREADS)]], flush=True)  # noqa: T201

"""The API: GET /orders needs the scope read:orders, and POST /orders write:orders. Run it: python -m shop_app.api."""

import json
import tomllib
from pathlib import Path

from keyfob.guard import Guard

ORDERS = [{"id": 1, "item": "brass key"}, {"id": 2, "item": "key ring"}]


async def orders(scope, receive, send):
    """Answer a request whose token was checked."""
    if scope["type"] != "http":
        return
    content = {"orders": ORDERS}
    if scope["method"] == "POST":
        message = await receive()
        content = {"id": len(ORDERS) + 1, "item": json.loads(message["body"])["item"]}
        ORDERS.append(content)
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


def make_app(issuer, audience):
    """Return the ASGI application that accepts tokens of this issuer for this API."""
    guard = Guard(issuer=issuer, audience=audience)
    reads, writes = guard.asgi(orders, "read:orders"), guard.asgi(orders, "write:orders")

    async def app(scope, receive, send):
        chosen = writes if scope.get("method") == "POST" else reads
        await chosen(scope, receive, send)

    return app


if __name__ == "__main__":
    import uvicorn

    settings = tomllib.loads(Path(__file__).with_name("login.toml").read_text(encoding="utf-8"))
    uvicorn.run(make_app(settings["issuer"], settings["audience"]), port=8791)

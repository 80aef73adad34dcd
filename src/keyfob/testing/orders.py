"""The API of the demo: `GET /orders`, which requires an access token with the scope `read:orders`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from keyfob.guard import PRINCIPAL, Guard, Principal

if TYPE_CHECKING:
    from keyfob.resource.frameworks.asgi import App, AsgiScope, Receive, Send

ORDERS = [{"id": 1, "item": "brass key", "count": 2}, {"id": 2, "item": "key ring", "count": 1}]


def api(guard: Guard) -> App:
    """Return the protected ASGI application."""
    return guard.asgi(_orders, "read:orders")


async def _orders(scope: AsgiScope, receive: Receive, send: Send) -> None:
    del receive
    if scope["type"] != "http":
        return
    principal = scope[PRINCIPAL]
    assert isinstance(principal, Principal)
    found = scope["path"] == "/orders" and scope["method"] == "GET"
    content = {"orders": ORDERS, "asked_by": principal.subject} if found else {"error": "not_found"}
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"private, no-store"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Guard any ASGI application: only calls with a fitting token come through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from keyfob.protocol.http import Request, Response
from keyfob.protocol.scope import Scope
from keyfob.resource.io.guard import Judge
from keyfob.resource.require import Denial

AsgiScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[AsgiScope, Receive, Send], Awaitable[None]]

PRINCIPAL = "keyfob.principal"
_POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1


def guarded(app: App, judge: Judge, needed: Scope) -> App:
    """The same application behind a guard. Who calls is put in `scope["keyfob.principal"]`."""

    async def run(scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        found = await judge.check_async(_request(scope), needed)
        if not isinstance(found, Denial):
            await app({**scope, PRINCIPAL: found}, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await _answer(found.response(), send)

    return run


def _request(scope: AsgiScope) -> Request:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    return Request(scope.get("method", "GET"), scope["path"], headers)


async def _answer(response: Response, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})

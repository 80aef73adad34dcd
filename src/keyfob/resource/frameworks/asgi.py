"""Put a guard in front of an ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import quote

from keyfob.protocol.certificate import der_of_pem
from keyfob.protocol.http import Request, Response
from keyfob.resource.judge import Verifier
from keyfob.resource.once import check_once_async
from keyfob.resource.published import Published
from keyfob.resource.require import Denial, Requirement

AsgiScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[AsgiScope, Receive, Send], Awaitable[None]]

POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1
_DENIAL_EXTENSION = "websocket.http.response"


def guarded(app: App, verifier: Verifier, needs: tuple[Requirement, ...], published: Published | None = None) -> App:
    """Return the application behind a guard, which stores the caller in `scope["keyfob.principal"]`.

    If the guard has an address, it also serves the API's metadata (RFC 9728 §3) to requests without a token.
    """

    async def run(scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        request = request_of(scope)
        metadata = None if published is None or scope["type"] != "http" else published.answer(request)
        if metadata is not None:
            await _answer(metadata, send)
            return
        own = {**scope}
        found = await check_once_async(verifier, request, needs, own, certificate_of(scope))
        if not isinstance(found, Denial):
            await app(own, receive, send)
        elif scope["type"] == "websocket":
            await _refuse_websocket(found.response(), scope, receive, send)
        else:
            await _answer(found.response(), send)

    return run


def request_of(scope: AsgiScope) -> Request:
    """Convert an ASGI scope to a request without a body."""
    raw = scope.get("raw_path")
    path = (
        quote(scope["path"], safe="/%:@!$&'()*+,;=~", errors="replace")
        if raw is None
        else raw.decode("latin-1").partition("?")[0]
    )
    client = scope.get("client")
    peer = str(client[0]) if client else ""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    return Request(scope.get("method", "GET"), path, tuple(headers), peer=peer)


def certificate_of(scope: AsgiScope) -> bytes | None:
    """Return the caller's certificate if the server terminated TLS itself (ASGI's TLS extension), else None."""
    extensions: dict[str, dict[str, Any]] = scope.get("extensions") or {}
    chain: Iterable[object] = extensions.get("tls", {}).get("client_cert_chain") or ()
    first = next(iter(chain), None)
    return der_of_pem(first) if isinstance(first, str) else None


async def _refuse_websocket(response: Response, scope: AsgiScope, receive: Receive, send: Send) -> None:
    await receive()
    if _DENIAL_EXTENSION in (scope.get("extensions") or {}):
        await _answer(response, send, _DENIAL_EXTENSION)
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})


async def _answer(response: Response, send: Send, kind: str = "http.response") -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": f"{kind}.start", "status": response.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": response.body})

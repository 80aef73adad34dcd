"""Connect a client, an authorization server and an API in memory, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from keyfob.errors import Unreachable
from keyfob.protocol.http import Request, Response

App = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


class Pair:
    """ASGI applications by origin. Origins without an application are unreachable.

    Attributes:
        sent: Every request, in order.
        cut: The origins that are unreachable at the moment.
        peer: The IP address from which the applications receive requests.
    """

    def __init__(self, apps: Mapping[str, App], *, peer: str = "127.0.0.1") -> None:
        """Add applications, each with its origin, such as `https://login.example`."""
        self._apps = dict(apps)
        self.peer = peer
        self.sent: list[Request] = []
        self.cut: set[str] = set()

    def join(self, origin: str, app: App) -> None:
        """Add the application of one more origin."""
        self._apps[origin] = app

    def send(self, request: Request) -> Response:
        """Send a request to the application of its origin and return the response.

        Raises:
            Unreachable: The origin has no application, or is in `cut`.
        """
        self.sent.append(request)
        parts = urlsplit(request.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin in self.cut or origin not in self._apps:
            raise Unreachable("nobody answers there")
        # Each request has its own event loop, since an API may send another request while it handles this one.
        return asyncio.run(ask(self._apps[origin], request, peer=self.peer))


async def ask(app: App, request: Request, *, peer: str = "127.0.0.1") -> Response:
    """Send a request to an ASGI application without a socket, and return the response."""
    parts = urlsplit(request.url)
    raw_path = parts.path or "/"
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": parts.scheme or "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("ascii"),
        "query_string": parts.query.encode("ascii"),
        "root_path": "",
        "headers": [
            (b"host", parts.netloc.encode()),
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers),
        ],
        "client": (peer, 50000),
        "server": (parts.hostname or "testserver", parts.port or 80),
    }
    incoming: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": request.body, "more_body": False}]
    outgoing: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(0)
        if not incoming:
            await asyncio.Event().wait()  # the client does not disconnect before the response
        return incoming.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        await asyncio.sleep(0)
        outgoing.append(message)

    await app(scope, receive, send)
    start, *bodies = outgoing
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"])
    return Response(start["status"], headers, b"".join(message.get("body", b"") for message in bodies))

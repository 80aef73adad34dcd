"""An httpx2 auth object that sends the token to one origin only, and retries as `Calls` decides."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import httpx2

from keyfob.client.io.http.redirects import async_auth_flow, auth_flow
from keyfob.client.session.calls import Calls
from keyfob.io.httpx2_client import translated
from keyfob.io.trust import ssl_context
from keyfob.protocol.http import Headers, Request, Response


class Httpx2Auth(httpx2.Auth):
    """An auth object for `httpx2.Client` and for `httpx2.AsyncClient`, whose event loop is not blocked."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        return auth_flow(self._calls, request, httpx2.ByteStream)

    def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        return async_auth_flow(self._calls, request, httpx2.ByteStream)


def call(
    client: httpx2.Client,
    request: Request,
    write: Callable[[bytes], None],
    head: Callable[[Response], None] | None = None,
) -> Response:
    """Make one call and pass the response's body to `write`, piece by piece.

    Args:
        head: Receives status and headers before the body.

    Returns:
        The response without its body.

    Raises:
        Unreachable: There is no response.
        Malformed: The response is not usable HTTP, or the address is unusable.
        KeyfobError: There is no token.
    """
    with (
        translated(),
        client.stream(request.method, request.url, headers=list(request.headers), content=request.body) as streamed,
    ):
        headers: Headers = tuple((name.lower(), value) for name, value in streamed.headers.multi_items())
        response = Response(streamed.status_code, headers)
        if head is not None:
            head(response)
        for piece in streamed.iter_bytes():
            write(piece)
        return response


def async_client_of(calls: Calls, tls: ssl.SSLContext | None = None) -> httpx2.AsyncClient:
    """Return the same as `client_of` for an event loop."""
    return httpx2.AsyncClient(auth=Httpx2Auth(calls), verify=True if tls is None else tls)


def client_of(calls: Calls, tls: ssl.SSLContext | None = None) -> httpx2.Client:
    """Return an HTTP client that sends the token; None as `tls` means the default TLS settings."""
    return httpx2.Client(auth=Httpx2Auth(calls), verify=True if tls is None else tls)


def plain_client(ca: Path | None) -> httpx2.Client:
    """Return an HTTP client without a token. `ca` is a file of additional trusted authorities."""
    return httpx2.Client(verify=True if ca is None else ssl_context(ca))

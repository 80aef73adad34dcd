"""An httpx2 auth object that adds the token for one origin only. `session/calls.py` decides when to repeat requests."""

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
    """An auth object for `httpx2.Client` and `httpx2.AsyncClient`. It does not block the event loop."""

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
    """Send one request and pass the response's body to `write`, piece by piece.

    Args:
        head: The function that receives status and headers before the body.

    Returns:
        The response without its body.

    Raises:
        Unreachable: There is no response.
        Malformed: The response is not usable HTTP, or the address is unusable.
        KeyfobError: The client's auth object gets no token.
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
    """Return an asynchronous HTTP client that adds the token; None as `tls` means the default TLS settings."""
    return httpx2.AsyncClient(auth=Httpx2Auth(calls), verify=True if tls is None else tls)


def client_of(calls: Calls, tls: ssl.SSLContext | None = None) -> httpx2.Client:
    """Return an HTTP client that adds the token; None as `tls` means the default TLS settings."""
    return httpx2.Client(auth=Httpx2Auth(calls), verify=True if tls is None else tls)


def plain_client(ca: Path | None) -> httpx2.Client:
    """Return an HTTP client without a token.

    Args:
        ca: A file of certificate authorities to trust in addition to the system's; None for no file.
    """
    return httpx2.Client(verify=True if ca is None else ssl_context(ca))

"""An httpx2 auth object that brings the token to one origin only, and tries once more where that may help."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Generator

import httpx2

from keyfob.client.io.http.redirects import async_auth_flow, auth_flow
from keyfob.client.session.calls import Calls
from keyfob.io.http import translated
from keyfob.protocol.http import Headers, Request, Response


class Httpx2Auth(httpx2.Auth):
    """For `httpx2.Client(auth=...)`, and for `httpx2.AsyncClient`, whose event loop it does not block."""

    def __init__(self, calls: Calls) -> None:
        """Know where tokens come from, and for whom they are."""
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
    """One request as httpx2 would make it, the answer's body handed on piece by piece.

    Returns:
        The answer without its body.

    Raises:
        Unreachable: No answer.
        Malformed: The answer is no HTTP, or the address cannot be used.
        KeyfobError: There was no token.
    """
    with (
        translated(),
        client.stream(request.method, request.url, headers=list(request.headers), content=request.body) as answer,
    ):
        found: Headers = tuple((name.lower(), value) for name, value in answer.headers.multi_items())
        response = Response(answer.status_code, found)
        if head is not None:
            head(response)
        for piece in answer.iter_bytes():
            write(piece)
        return response


def async_client_of(calls: Calls, tls: ssl.SSLContext | None = None) -> httpx2.AsyncClient:
    """As `client_of`, for an event loop."""
    return httpx2.AsyncClient(auth=Httpx2Auth(calls), verify=True if tls is None else tls)


def client_of(calls: Calls, tls: ssl.SSLContext | None = None) -> httpx2.Client:
    """An HTTP client that brings the token, over such connections; as usual where nothing is said."""
    return httpx2.Client(auth=Httpx2Auth(calls), verify=True if tls is None else tls)

"""An httpx2 auth object that brings the token to one origin only, and tries once more where that may help."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Generator

import httpx2

from keyfob.client.io.http.redirects import Visit
from keyfob.client.session.calls import DENIALS, Calls
from keyfob.io.http import translated
from keyfob.protocol.http import Headers, Request, Response


class Httpx2Auth(httpx2.Auth):
    """For `httpx2.Client(auth=...)`, and for `httpx2.AsyncClient`, whose event loop it does not block."""

    def __init__(self, calls: Calls) -> None:
        """Know where tokens come from, and for whom they are."""
        self._calls = calls

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Bring the token, as often as `Calls` says. Raises as `Calls.begin` and `Call.again`."""
        visit, goes_on = Visit(self._calls, request.method, str(request.url)), True
        while goes_on:
            visit.prepare(request.headers, request.extensions)
            asked, response = request, (yield request)
            request = response.request
            if response.status_code in DENIALS:
                response.read()  # whatever is done next may take longer than the connection lasts
            goes_on = visit.again(_plain(response), _landed(asked, request), can_repeat=_can_repeat(request))

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """The same, in a thread where it may wait."""
        visit, goes_on = await asyncio.to_thread(Visit, self._calls, request.method, str(request.url)), True
        while goes_on:
            visit.prepare_async(request.headers, request.extensions)
            asked, response = request, (yield request)
            request = response.request
            if response.status_code in DENIALS:
                await response.aread()
            landed, can_repeat = _landed(asked, request), _can_repeat(request)
            goes_on = await asyncio.to_thread(visit.again, _plain(response), landed, can_repeat=can_repeat)


def _plain(response: httpx2.Response) -> Response:
    return Response(
        response.status_code, tuple((name.lower(), value) for name, value in response.headers.multi_items())
    )


def _landed(asked: httpx2.Request, answered: httpx2.Request) -> tuple[str, str] | None:
    """Where a redirect led to, if one was followed."""
    return None if answered is asked else (answered.method, str(answered.url))


def _can_repeat(request: httpx2.Request) -> bool:
    """Whether the body is at hand still; a stream is gone once it was sent."""
    return isinstance(request.stream, httpx2.ByteStream)


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

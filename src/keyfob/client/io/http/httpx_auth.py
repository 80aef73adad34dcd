"""An httpx auth object that brings the token to one origin only, and tries once more where that may help."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator

import httpx

from keyfob.client.io.http.redirects import Visit
from keyfob.client.session.calls import DENIALS, Calls
from keyfob.protocol.http import Response


class HttpxAuth(httpx.Auth):
    """For `httpx.Client(auth=...)`, and for `httpx.AsyncClient`, whose event loop it does not block."""

    def __init__(self, calls: Calls) -> None:
        """Know where tokens come from, and for whom they are."""
        self._calls = calls

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Bring the token, as often as `Calls` says. Raises as `Calls.begin` and `Call.again`."""
        visit, goes_on = Visit(self._calls, request.method, str(request.url)), True
        while goes_on:
            visit.prepare(request.headers, request.extensions)
            asked, response = request, (yield request)
            request = response.request
            if response.status_code in DENIALS:
                response.read()  # whatever is done next may take longer than the connection lasts
            goes_on = visit.again(_plain(response), _landed(asked, request), can_repeat=_can_repeat(request))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
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


def _plain(response: httpx.Response) -> Response:
    return Response(
        response.status_code, tuple((name.lower(), value) for name, value in response.headers.multi_items())
    )


def _landed(asked: httpx.Request, answered: httpx.Request) -> tuple[str, str] | None:
    """Where a redirect led to, if one was followed."""
    return None if answered is asked else (answered.method, str(answered.url))


def _can_repeat(request: httpx.Request) -> bool:
    """Whether the body is at hand still; a stream is gone once it was sent."""
    return isinstance(request.stream, httpx.ByteStream)

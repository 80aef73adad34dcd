"""A client middleware for aiohttp that brings the token to one origin only, and tries once more where that may help."""

from __future__ import annotations

import asyncio

import aiohttp

from keyfob.client.session.calls import DENIALS, Calls
from keyfob.protocol.http import Response


class AiohttpAuth:
    """For `aiohttp.ClientSession(middlewares=(...,))`. aiohttp asks it again for every redirect that it follows."""

    def __init__(self, calls: Calls) -> None:
        """Know where tokens come from, and for whom they are."""
        self._calls = calls

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Bring the token, as often as `Calls` says; in a thread where that may wait. Raises as `Calls.begin`."""
        call = await asyncio.to_thread(self._calls.begin, request.method, str(request.url))
        while True:
            call.put(request.headers)
            response = await handler(request)
            if response.status in DENIALS:
                await response.read()  # whatever is done next may take longer than the connection lasts
            if not await asyncio.to_thread(call.again, _plain(response), can_repeat=_can_repeat(request)):
                return response
            response.release()


def _plain(response: aiohttp.ClientResponse) -> Response:
    return Response(response.status, tuple((name.lower(), value) for name, value in response.headers.items()))


def _can_repeat(request: aiohttp.ClientRequest) -> bool:
    """Whether the body is at hand still; a stream is gone once it was sent."""
    return isinstance(request.body, bytes) or not request.body.consumed

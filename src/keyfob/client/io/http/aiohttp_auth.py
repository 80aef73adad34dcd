"""An aiohttp middleware that adds the token for one origin only. `session/calls.py` decides when to repeat requests."""

from __future__ import annotations

import asyncio

import aiohttp

from keyfob.client.session.calls import DENIALS, Calls
from keyfob.protocol.http import Response


class AiohttpAuth:
    """A middleware for `aiohttp.ClientSession(middlewares=(...,))`. aiohttp calls it for each request and redirect."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request with the token, and repeat it while `Call.again` returns True.

        Blocking steps run in a thread. Raises the errors of `Calls.begin`.
        """
        call = await asyncio.to_thread(self._calls.begin, request.method, str(request.url))
        while True:
            call.put(request.headers)
            response = await handler(request)
            if response.status in DENIALS:
                await response.read()  # the connection may time out during the next step
            if not await asyncio.to_thread(call.again, _plain(response), can_repeat=_can_repeat(request)):
                return response
            response.release()


def _plain(response: aiohttp.ClientResponse) -> Response:
    return Response(response.status, tuple((name.lower(), value) for name, value in response.headers.items()))


def _can_repeat(request: aiohttp.ClientRequest) -> bool:
    """Return whether the body can be sent again; a stream cannot."""
    return isinstance(request.body, bytes) or not request.body.consumed

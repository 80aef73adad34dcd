"""An httpx auth object that adds the token for one origin only. `session/calls.py` decides when to repeat requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import httpx

from keyfob.client.io.http.redirects import async_auth_flow, auth_flow
from keyfob.client.session.calls import Calls


class HttpxAuth(httpx.Auth):
    """An auth object for `httpx.Client` and `httpx.AsyncClient`. It does not block the event loop."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        return auth_flow(self._calls, request, httpx.ByteStream)

    def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        return async_auth_flow(self._calls, request, httpx.ByteStream)

"""An httpx2 auth object that brings the token to one origin only, and renews it once after a 401."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, Protocol

import httpx2

from keyfob.protocol.secret import Secret

_UNAUTHORIZED: Final = 401


class TokenSource(Protocol):
    """Gives a token; a new one when asked to renew."""

    def __call__(self, *, renew: bool) -> Secret:
        """Raises as `Session.token`."""
        ...


class BearerAuth(httpx2.Auth):
    """Adds `Authorization: Bearer ...`.

    The first request decides the origin. Another origin, reached by a redirect or by hand, gets no token
    (RFC 6750 §5.3).
    """

    def __init__(self, token: TokenSource) -> None:
        """Know where tokens come from."""
        self._token = token
        self._origin: tuple[str, str, int | None] | None = None

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Bring the token; after a 401 renew it, and try once more."""
        origin = (request.url.scheme, request.url.host, request.url.port)
        self._origin = self._origin or origin
        if origin != self._origin:
            request.headers.pop("authorization", None)
            yield request
            return
        first = self._token(renew=False)
        request.headers["authorization"] = f"Bearer {first.reveal()}"
        response = yield request
        if response.status_code == _UNAUTHORIZED:
            second = self._token(renew=True)
            if second != first:
                request.headers["authorization"] = f"Bearer {second.reveal()}"
                yield request


def client_of(token: TokenSource) -> httpx2.Client:
    """An HTTP client that brings the token."""
    return httpx2.Client(auth=BearerAuth(token))

"""An httpx2 auth object that brings the token to one origin only, and renews it once after a 401."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, Protocol

import httpx2

from keyfob.errors import LoginRequired, Misuse, Refused
from keyfob.io.http import translated
from keyfob.io.trust import ssl_context
from keyfob.protocol.address import is_safe
from keyfob.protocol.http import Headers, Request, Response
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
        """Bring the token; after a 401 renew it, and try once more.

        Raises:
            Misuse: The address is plain http and not on this machine.
        """
        origin = (request.url.scheme, request.url.host, request.url.port)
        self._origin = self._origin or origin
        if origin != self._origin:
            request.headers.pop("authorization", None)
            yield request
            return
        if not is_safe(str(request.url)):
            raise Misuse("a token is not sent over plain http beyond this machine", hint="Use the API's https address.")
        first = self._token(renew=False)
        request.headers["authorization"] = f"Bearer {first.reveal()}"
        response = yield request
        if response.status_code == _UNAUTHORIZED:
            second = self._renewed(first)
            if second is not None:
                request.headers["authorization"] = f"Bearer {second.reveal()}"
                yield request

    def _renewed(self, first: Secret) -> Secret | None:
        """Another token, or None where there is none: then the API's own answer says more than we could."""
        try:
            second = self._token(renew=True)
        except (LoginRequired, Refused):
            return None
        return None if second == first else second


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


def client_of(token: TokenSource, ca: Path | None = None) -> httpx2.Client:
    """An HTTP client that brings the token. Raises `Misuse` where the file of authorities cannot be used."""
    return httpx2.Client(auth=BearerAuth(token), verify=True if ca is None else ssl_context(ca))

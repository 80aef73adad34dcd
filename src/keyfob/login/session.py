"""Part of the door `keyfob.login`: a login that is kept, and what brings its token to calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.client.flows.logout import LoggedOut
from keyfob.client.model.step_up import StepUp
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.calls import Calls, TokenHeaders
from keyfob.client.session.login import Login
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.run import run

if TYPE_CHECKING:
    # Only their names, for whoever reads a signature.
    import ssl

    import aiohttp  # noqa: TID251
    import httpx  # noqa: TID251
    import httpx2  # noqa: TID251
    import requests.auth  # noqa: TID251


class TokenCarriers:
    """What brings a login's token to the calls of HTTP libraries."""

    def __init__(self, login: Login) -> None:
        """Made by `App.session`."""
        self.login = login

    def tls(self) -> ssl.SSLContext:
        """For another HTTP library: trusts and shows what the profile says.

        A token that is bound to a certificate (RFC 8705) works over such connections alone:
        `httpx.Client(auth=session.auth_for_httpx(), verify=session.tls())`. A certificate whose files are replaced is
        shown by the next connection.

        Raises `Misuse` where a file of authorities or of a certificate cannot be used.
        """
        from keyfob.client.io.http.connections import tls_of  # noqa: PLC0415

        return tls_of(self.login.profile)

    def auth_for_httpx(self, origin: str | None = None) -> httpx.Auth:
        """As `http`, for `httpx.Client(auth=...)` and `httpx.AsyncClient(auth=...)`.

        Args:
            origin: Who may be shown the token, as `https://api.example.com`; the first that is called, if nobody says.
        """
        from keyfob.client.io.http.httpx_auth import HttpxAuth  # noqa: PLC0415

        return HttpxAuth(self.calls(origin))

    def auth_for_httpx2(self, origin: str | None = None) -> httpx2.Auth:
        """As `auth_for_httpx`, for `httpx2.Client(auth=...)` and `httpx2.AsyncClient(auth=...)`."""
        from keyfob.client.io.http.httpx2_auth import Httpx2Auth  # noqa: PLC0415

        return Httpx2Auth(self.calls(origin))

    def auth_for_requests(self, origin: str | None = None) -> requests.auth.AuthBase:
        """As `auth_for_httpx`, for `requests.get(..., auth=...)` and `requests.Session().auth`."""
        from keyfob.client.io.http.requests_auth import RequestsAuth  # noqa: PLC0415

        return RequestsAuth(self.calls(origin))

    def auth_for_aiohttp(self, origin: str | None = None) -> aiohttp.ClientMiddlewareType:
        """As `auth_for_httpx`, for `aiohttp.ClientSession(middlewares=(...,))`."""
        from keyfob.client.io.http.aiohttp_auth import AiohttpAuth  # noqa: PLC0415

        return AiohttpAuth(self.calls(origin))

    def calls(self, origin: str | None = None) -> Calls:
        """The core of what brings the token to calls, for an HTTP library that is not among these."""
        return Calls(_Bearer(self.login), origin)


class Session(TokenCarriers):
    """A stored login."""

    def token(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> str:
        """A valid access token, refreshed if need be; never opens a browser. It lives for another `min_ttl`.

        With `renew` the issuer is asked in any case, and so knows whether the login is still good.

        Raises `LoginRequired`, `Unreachable`, `Refused` or `VaultUnavailable`.
        """
        return run(self.login.fresh(min_ttl, renew=renew)).access_token.reveal()

    def stored(self) -> StoredLogin:
        """Who is logged in, with which scope, until when. Raises `LoginRequired`."""
        return run(self.login.stored())

    def http(self) -> httpx2.Client:
        """An HTTP client that brings the token to the first origin it calls, and renews it once after a 401.

        A token that is bound to a key comes with a fresh proof each time (DPoP).
        """
        from keyfob.client.io.http.httpx2_auth import client_of  # noqa: PLC0415  httpx2 costs 70 ms

        return client_of(self.calls(), self.tls())

    def send(self, request: Request) -> Response:
        """One request with the token, renewed once after a 401; no redirect is followed. Raises `KeyfobError`."""
        return self.calls().send(request, lambda attempt: run(self.login.send(attempt)))

    def call(
        self, request: Request, write: Callable[[bytes], None], head: Callable[[Response], None] | None = None
    ) -> Response:
        """As `send`, for answers of any length: the body goes to `write`, piece by piece, and is not kept.

        Status and headers go to `head` before it; they are what comes back, too.

        Raises `LoginRequired`, `Unreachable`, `Malformed`, `Misuse`, `Refused` or `VaultUnavailable`.
        """
        from keyfob.client.io.http.httpx2_auth import call  # noqa: PLC0415

        with self.http() as client:
            return call(client, request, write, head)

    def log_out(self) -> LoggedOut:
        """Forget the login here, whatever happens, and end it at the server.

        Raises `LoginRequired` where there is none, and `VaultUnavailable` where it cannot be forgotten.
        """
        return run(self.login.log_out())


class _Bearer:
    """The tokens of a login, for `Calls`."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def authorize(self, request: Request, *, renew: bool = False) -> TokenHeaders:
        return run(self._login.authorize(request, renew=renew))

    def store_nonce(self, request: Request, response: Response) -> bool:
        return self._login.store_nonce(request, response)

    def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        return run(self._login.step_up(wanted, refused))

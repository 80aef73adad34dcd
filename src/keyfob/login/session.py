"""Part of the public module `keyfob.login`: a stored login, and adapters for HTTP libraries and SDKs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from keyfob.client.session.login import Login
from keyfob.lazy import LazyModule
from keyfob.run import run

if TYPE_CHECKING:
    import ssl

    import aiohttp  # noqa: TID251
    import httpx  # noqa: TID251
    import httpx2  # noqa: TID251
    import requests.auth  # noqa: TID251

    from keyfob.client.flows.logout import LoggedOut
    from keyfob.client.io.http import aiohttp_auth, connections, httpx2_auth, httpx_auth, requests_auth
    from keyfob.client.io.sdk import (
        azure_credential,
        globus_authorizer,
        google_credentials,
        mcp_storage,
        plain_token,
    )
    from keyfob.client.io.sdk.azure_credential import AzureCredential
    from keyfob.client.io.sdk.mcp_storage import McpStorage
    from keyfob.client.io.sdk.plain_token import BotocoreToken
    from keyfob.client.model.step_up import StepUp
    from keyfob.client.model.stored_login import StoredLogin
    from keyfob.client.session import calls as _calls
    from keyfob.client.session.calls import Calls, TokenHeaders
    from keyfob.protocol.http import Request, Response
    from keyfob.protocol.secret import Secret
else:  # a token alone needs none of it; an adapter imports its HTTP library or its SDK
    azure_credential = LazyModule("keyfob.client.io.sdk.azure_credential")
    globus_authorizer = LazyModule("keyfob.client.io.sdk.globus_authorizer")
    google_credentials = LazyModule("keyfob.client.io.sdk.google_credentials")
    mcp_storage = LazyModule("keyfob.client.io.sdk.mcp_storage")
    plain_token = LazyModule("keyfob.client.io.sdk.plain_token")
    _calls = LazyModule("keyfob.client.session.calls")
    connections = LazyModule("keyfob.client.io.http.connections")
    aiohttp_auth = LazyModule("keyfob.client.io.http.aiohttp_auth")
    httpx2_auth = LazyModule("keyfob.client.io.http.httpx2_auth")
    httpx_auth = LazyModule("keyfob.client.io.http.httpx_auth")
    requests_auth = LazyModule("keyfob.client.io.http.requests_auth")


class TokenCarriers:
    """Adapters for HTTP libraries and SDKs."""

    def __init__(self, login: Login) -> None:
        """Store the login. Programs call `App.session`, not this constructor."""
        self.login = login

    def tls(self) -> ssl.SSLContext:
        """Return TLS settings for any HTTP library, with the profile's certificate authorities and client certificate.

        A token that is bound to a certificate (RFC 8705 §3) works only over connections with these settings:
        `httpx.Client(auth=session.auth_for_httpx(), verify=session.tls())`. If the certificate's files are replaced,
        the next connection presents the new certificate.

        Raises:
            Misuse: The file of certificate authorities or of the client certificate is unusable.
        """
        return connections.tls_of(self.login.profile)

    def auth_for_httpx(self, origin: str | None = None) -> httpx.Auth:
        """Return an auth object for `httpx.Client(auth=...)` and `httpx.AsyncClient(auth=...)`.

        Args:
            origin: The only origin that receives the token, such as `https://api.example.com`; None for the origin of
                the first call.

        Raises:
            Misuse: The origin is not a web address.
        """
        return httpx_auth.HttpxAuth(self.calls(origin))

    def auth_for_httpx2(self, origin: str | None = None) -> httpx2.Auth:
        """Return an auth object for clients of httpx2. The argument and the errors are those of `auth_for_httpx`."""
        return httpx2_auth.Httpx2Auth(self.calls(origin))

    def auth_for_requests(self, origin: str | None = None) -> requests.auth.AuthBase:
        """Return an auth object for `requests.get(..., auth=...)`.

        The argument and the errors are those of `auth_for_httpx`.
        """
        return requests_auth.RequestsAuth(self.calls(origin))

    def auth_for_aiohttp(self, origin: str | None = None) -> aiohttp.ClientMiddlewareType:
        """Return a middleware for `aiohttp.ClientSession(middlewares=(...,))`; for `origin`, see `auth_for_httpx`."""
        return aiohttp_auth.AiohttpAuth(self.calls(origin))

    def auth_for_google(self) -> Any:  # noqa: ANN401  a google.auth.credentials.Credentials
        """Return credentials for Google's client libraries: `storage.Client(credentials=...)`."""
        return google_credentials.GoogleCredentials(self.login)

    def auth_for_botocore(self) -> BotocoreToken:
        """Return a token provider for AWS services that accept a bearer token.

        Pass it to `botocore.session.get_session().register_component("token_provider", ...)`.
        """
        return plain_token.BotocoreToken(self.login)

    def auth_for_globus(self) -> Any:  # noqa: ANN401  a globus_sdk.authorizers.GlobusAuthorizer
        """Return an authorizer for the Globus SDK: `globus_sdk.TransferClient(authorizer=...)`."""
        return globus_authorizer.GlobusLogin(self.login)

    def auth_for_mcp(self) -> McpStorage:
        """Return storage for `mcp.client.auth.OAuthClientProvider`. keyfob refreshes the tokens; the SDK does not."""
        return mcp_storage.McpStorage(self.login)

    def calls(self, origin: str | None = None) -> Calls:
        """Return the `Calls` on which the adapters are built, for writing an adapter for another HTTP library."""
        return _calls.Calls(_Bearer(self.login), origin)


class Session(TokenCarriers):
    """A stored login."""

    def token(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> str:
        """Return a valid access token, refreshed if necessary (RFC 6749 §6). Never open a browser.

        Args:
            min_ttl: How long the token must remain valid. None means a minute or a quarter of the token's lifetime,
                whichever is shorter.
            renew: Whether to refresh even a valid token, in order to test whether the login is still valid.

        Raises:
            LoginRequired: An interactive login is required.
            Unreachable: The token has expired and the server does not answer.
            Refused: The server refuses the refresh.
            VaultUnavailable: The vault cannot be used.
        """
        return run(self.login.fresh(min_ttl, renew=renew)).access_token.reveal()

    def stored(self) -> StoredLogin:
        """Return the stored login: its user, its scope, its expiry.

        Raises:
            LoginRequired: There is no stored login.
            VaultUnavailable: The vault cannot be used.
        """
        return run(self.login.stored())

    def http(self) -> httpx2.Client:
        """Return an HTTP client that renews the token once after a 401. Only the first call's origin gets the token.

        The client sends a token that is bound to a DPoP key with a new proof in each request (RFC 9449 §7).
        """
        return httpx2_auth.client_of(self.calls(), self.tls())

    def auth_for_azure(self) -> AzureCredential:
        """Return a `TokenCredential` for Azure's SDK, which provides the token only for scopes that the login has."""
        return azure_credential.AzureCredential(self.login)

    def send(self, request: Request) -> Response:
        """Send a request with the token. After a 401, renew the token and send once more. Follow no redirect.

        Raises:
            KeyfobError: Any error of `token`, or the API does not answer.
        """
        return self.calls().send(request, lambda attempt: run(self.login.send(attempt)))

    def call(
        self, request: Request, write: Callable[[bytes], None], head: Callable[[Response], None] | None = None
    ) -> Response:
        """Send a request as `send` does, but pass the response's body, of any length, to `write` in pieces.

        Args:
            request: The request, without the token.
            write: Receives the body's pieces.
            head: Receives the response's status and headers before `write` receives the body.

        Returns:
            The response without its body.

        Raises:
            LoginRequired: An interactive login is required.
            Unreachable: The issuer or the API does not answer.
            Malformed: A response is not usable HTTP.
            Misuse: The address is plain http and not on this machine.
            Refused: The server refuses the refresh.
            VaultUnavailable: The vault cannot be used.
        """
        with self.http() as client:
            return httpx2_auth.call(client, request, write, head)

    def log_out(self) -> LoggedOut:
        """Delete the stored login and revoke its tokens (RFC 7009).

        Returns:
            The server's confirmations and errors, which are not raised. A login that cannot be read is deleted but not
            revoked, and `problem` is the reason.

        Raises:
            LoginRequired: There is no stored login.
            VaultUnavailable: The login could not be deleted; its tokens are revoked nevertheless.
        """
        return run(self.login.log_out())


class _Bearer:
    """The `TokenSource` of a login, for blocking calls."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def authorize(self, request: Request, *, renew: bool = False) -> TokenHeaders:
        return run(self._login.authorize(request, renew=renew))

    def store_nonce(self, request: Request, response: Response) -> bool:
        return self._login.store_nonce(request, response)

    def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        return run(self._login.step_up(wanted, refused))

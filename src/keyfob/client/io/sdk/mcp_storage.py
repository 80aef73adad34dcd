"""Token storage for the OAuth provider of the MCP Python SDK (`mcp.client.auth.TokenStorage`)."""

from __future__ import annotations

import time
from typing import NoReturn

from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from keyfob.client.io.aio import in_thread
from keyfob.client.io.sdk.plain_token import expiry_of, plain_token
from keyfob.client.session.login import Login
from keyfob.errors import Misuse


class McpStorage:
    """Storage for `OAuthClientProvider(storage=...)`. It returns no refresh token, because only keyfob refreshes."""

    def __init__(self, login: Login) -> None:
        self._login = login

    async def get_tokens(self) -> OAuthToken:
        """Return a valid access token. Raises the errors of `Session.token`."""
        stored = await in_thread(plain_token(self._login))
        until = expiry_of(stored)
        return OAuthToken(
            access_token=stored.access_token.reveal(),
            expires_in=None if until is None else int(until.timestamp() - time.time()),
            scope=stored.scope.write() or None,
        )

    async def set_tokens(self, tokens: OAuthToken) -> None:  # noqa: ARG002
        """Raise `Misuse`: the SDK calls this only after it has logged in by itself."""
        self._refuse()

    async def get_client_info(self) -> OAuthClientInformationFull:
        """Return the client of the login, so that the SDK registers none."""
        return OAuthClientInformationFull(client_id=self._login.profile.client_id, redirect_uris=None)

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:  # noqa: ARG002
        """Raise `Misuse`: the SDK calls this only after it has registered a client of its own."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        hint = self._login.profile.login_hint(otherwise="Log in with this program")
        raise Misuse("the SDK logged in by itself; that does not replace this login", hint=hint)

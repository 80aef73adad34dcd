"""The bearer token of a stored login, for SDKs that send the token themselves (RFC 6750 §2.1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.login import Login
from keyfob.errors import Refused
from keyfob.protocol.secret import Secret
from keyfob.run import run


async def plain_token(login: Login, min_ttl: timedelta | None = None, *, refused: str | None = None) -> StoredLogin:
    """Return the login with a valid access token that needs no DPoP proof; never opens a browser.

    Args:
        login: The stored login.
        min_ttl: How long the token must remain valid; None for the default.
        refused: The token that an API has just refused; None if no API has. If it is still the stored token, it is
            refreshed. If the stored token is a newer one, that token is returned.

    Raises:
        Refused: The token is bound to a DPoP key (`token-bound`), or the server refuses the refresh.
        LoginRequired: An interactive login is required.
        Unreachable: The token has expired and the server does not answer.
        VaultUnavailable: The vault cannot be used.
    """
    stored = await login.fresh(min_ttl)
    if refused is not None and stored.access_token == Secret(refused):
        stored = await login.fresh(min_ttl, renew=True)
    if stored.token_type != "Bearer":
        raise Refused(
            "this login's token is bound to a key (DPoP), so this SDK cannot use it",
            code="token-bound",
            hint="Call the API through session.http(), or log in without DPoP.",
        )
    return stored


def expiry_of(stored: StoredLogin) -> datetime | None:
    """Return when the access token expires by this machine's clock; None if unknown."""
    return None if stored.expires_at is None else stored.expires_at - stored.skew


class FrozenToken(NamedTuple):
    """A token with the fields of botocore's `FrozenAuthToken`; this module does not import botocore."""

    token: str
    expiration: datetime | None


class BotocoreToken:
    """A token provider for botocore's `session.register_component("token_provider", ...)`.

    botocore asks the provider for a token object, and then asks that object for the token. This class is both.
    """

    METHOD: Final = "keyfob"

    def __init__(self, login: Login) -> None:
        self._login = login

    def load_token(self, **_options: object) -> BotocoreToken:
        """Return this object. The access token is read when a request is signed."""
        return self

    def get_frozen_token(self) -> FrozenToken:
        """Return a valid token and its expiry. Raises the errors of `Session.token`."""
        stored = run(plain_token(self._login))
        return FrozenToken(stored.access_token.reveal(), expiry_of(stored))

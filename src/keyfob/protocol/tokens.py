"""The token response (RFC 6749 §5.1, RFC 8693 §2.2.1, draft-ietf-oauth-refresh-token-expiration-03 §6.1)."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Final, Self

from keyfob.errors import Malformed
from keyfob.light import light_dataclass
from keyfob.protocol.fields import Fields
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret

_TIMEOUT: Final = "refresh_token_timeout"
_AUTHORIZATION: Final = "authorization_expires_in"
# The names of lifetimes of a refresh token, in order of precedence. First the draft's two names, of which the shorter
# lifetime counts; then Keycloak's name; then the name that GitHub and Microsoft use.
_REFRESH_LIVES: Final = ((_TIMEOUT, _AUTHORIZATION), ("refresh_expires_in",), ("refresh_token_expires_in",))


@light_dataclass(frozen=True, slots=True)
class TokenAnswer:
    """The token response.

    Attributes:
        expires_in: The access token's lifetime; None if absent.
        scope: The granted scope; None means the requested scope (RFC 6749 §5.1).
        refresh_expires_in: The lifetime of the refresh token, if it is not used. Servers use different names for this
            member. `read` accepts all of them. `write` adds two members: `refresh_token_timeout`, which is the name in
            the draft above, and `refresh_expires_in`, which is Keycloak's name.
        authorization_expires_in: The lifetime of the login itself, which no use of the refresh token extends. `write`
            adds it to the response. `read` leaves this field None. Of the two lifetimes, `read` stores the shorter one
            in `refresh_expires_in`.
        issued_token_type: The type of `access_token` after a token exchange (RFC 8693 §2.2.1); None if absent.
    """

    access_token: Secret
    token_type: str = "Bearer"
    expires_in: timedelta | None = None
    scope: Scope | None = None
    refresh_token: Secret | None = None
    id_token: Secret | None = None
    issued_token_type: str | None = None
    refresh_expires_in: timedelta | None = None
    authorization_expires_in: timedelta | None = None

    def write(self) -> dict[str, object]:
        members: dict[str, object] = {"access_token": self.access_token.reveal()}
        if self.refresh_token:
            members["refresh_token"] = self.refresh_token.reveal()
        if self.id_token:
            members["id_token"] = self.id_token.reveal()
        if self.scope is not None:
            members["scope"] = self.scope.write()
        if self.expires_in is not None:
            members["expires_in"] = _whole(self.expires_in)
        members["token_type"] = self.token_type
        if self.issued_token_type is not None:
            members["issued_token_type"] = self.issued_token_type
        if self.refresh_expires_in is not None:
            members["refresh_expires_in"] = members[_TIMEOUT] = _whole(self.refresh_expires_in)
        if self.authorization_expires_in is not None:
            members[_AUTHORIZATION] = _whole(self.authorization_expires_in)
        return members

    @classmethod
    def read(cls, fields: Fields, *, token_types: tuple[str, ...] = ("Bearer",)) -> Self:
        """Parse the response.

        Raises:
            Malformed: A member is wrong, or the token type is not in `token_types` (RFC 6749 §5.1, §7.1).
        """
        received = fields.text("token_type").lower()
        token_type = next((name for name in token_types if name.lower() == received), None)
        if token_type is None:
            raise Malformed(f"token answer: token_type is not {' or '.join(token_types)}", field="token_type")
        scope = fields.values.get("scope")
        return cls(
            access_token=Secret(fields.text("access_token")),
            token_type=token_type,
            expires_in=fields.optional_seconds("expires_in"),
            scope=None if scope is None else Scope.read(fields.optional_text("scope") or ""),
            refresh_token=_optional_secret(fields, "refresh_token"),
            id_token=_optional_secret(fields, "id_token"),
            issued_token_type=fields.optional_text("issued_token_type"),
            refresh_expires_in=_refresh_life(fields),
        )


def _whole(span: timedelta) -> int:
    return int(span.total_seconds())


def _refresh_life(fields: Fields) -> timedelta | None:
    """Return the refresh token's lifetime, or None if it has none. Wrong values and Keycloak's 0 count as none."""
    for names in _REFRESH_LIVES:
        lives = [life for name in names if (life := _life(fields, name))]
        if lives:
            return min(lives)
    return None


def _life(fields: Fields, name: str) -> timedelta | None:
    with suppress(Malformed):
        return fields.optional_seconds(name)
    return None


def _optional_secret(fields: Fields, name: str) -> Secret | None:
    found = fields.optional_text(name)
    return None if found is None else Secret(found)

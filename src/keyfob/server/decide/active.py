"""Decide whether an access token, its login, its user and its client are still active (RFC 7662 §2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keyfob.protocol.claims import AccessClaims
from keyfob.server.records import RefreshLogin, User
from keyfob.server.settings.registered import Application


@dataclass(frozen=True, slots=True)
class TokenRecords:
    """The current records that an access token refers to. A deleted record is None.

    Attributes:
        login: The login that the token was issued for.
        is_revoked: Whether the token itself was revoked (RFC 7009).
    """

    application: Application | None
    user: User | None
    login: RefreshLogin | None
    is_revoked: bool


def is_about_user(claims: AccessClaims) -> bool:
    """Return whether the subject of a token is a user, not the client itself."""
    return claims.subject != f"{claims.client_id}@clients"


def is_active(claims: AccessClaims, records: TokenRecords, now: datetime) -> bool:
    """Return whether a token is still active. The caller must check the token's signature and lifetime before."""
    if records.is_revoked or records.application is None:
        return False
    if not is_about_user(claims):
        return True
    login, user = records.login, records.user
    if login is None or login.has_ended or now >= login.expires_at or user is None or user.is_blocked:
        return False
    return (login.user_id, login.client_id) == (user.user_id, claims.client_id)

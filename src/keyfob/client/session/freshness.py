"""Decide whether to use a stored login's token, refresh the token, or log in again. Determine a login's state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from keyfob.client.model.stored_login import DEFAULT_MIN_TTL, StoredLogin
from keyfob.protocol.secret import Secret

# If the clock shows an earlier time than the token's receipt, it was set back; the remaining lifetime is then unknown.
_SET_BACK: Final = timedelta(minutes=2)
State = Literal["logged-in", "lapsed-but-renews", "login-needed", "offline-unknown", "vault-unavailable"]


@dataclass(frozen=True, slots=True)
class Use:
    """The access token is valid."""

    access_token: Secret


@dataclass(frozen=True, slots=True)
class Refresh:
    """The access token has expired or will expire soon, and there is a refresh token."""

    refresh_token: Secret


@dataclass(frozen=True, slots=True)
class LogIn:
    """An interactive login is required."""


def judge(stored: StoredLogin | None, moment: datetime, min_ttl: timedelta | None = None) -> Use | Refresh | LogIn:
    """Decide whether to use the access token, refresh it, or log in. Without a stored login, log in.

    Args:
        moment: The present time by this machine's clock: an aware datetime in UTC. `stored.skew` is added to it, since
            the expiry time is by the server's clock.
        min_ttl: How long the token must remain valid; None for the default. A token with an unknown expiry time counts
            as valid. If the token came from a refresh, and its whole lifetime is not longer than `min_ttl`, half of
            that lifetime suffices. Without this rule, every call would refresh.
    """
    if stored is None:
        return LogIn()
    server_time = moment + stored.skew
    least = stored.renewal_window if min_ttl is None else min_ttl
    if stored.was_refreshed and stored.expires_at is not None:
        lifetime = stored.expires_at - stored.obtained_at
        least = least if least < lifetime else lifetime / 2
    is_good = stored.expires_at is None or stored.expires_at - server_time >= least
    if stored.refresh_token is None:
        return Use(stored.access_token) if is_good else LogIn()
    if is_good and server_time >= stored.obtained_at - _SET_BACK:
        return Use(stored.access_token)
    return Refresh(stored.refresh_token)


def is_usable(stored: StoredLogin, moment: datetime, min_ttl: timedelta | None) -> bool:
    """Return whether the token can still be used if it cannot be renewed now.

    The token must not have expired. But if the caller requires a longer remaining lifetime than the default, return
    False.
    """
    is_valid = stored.expires_at is None or stored.expires_at > moment + stored.skew
    return is_valid and (min_ttl is None or min_ttl <= DEFAULT_MIN_TTL)


@dataclass(frozen=True, slots=True)
class LoginStatus:
    """The state of a stored login. All times are by this machine's clock.

    Attributes:
        state: The state. `login_status` never sets two of the values. Its callers set "offline-unknown" if the issuer
            does not answer, and "vault-unavailable" if the vault cannot be used.
        access_until: When the access token expires; None if unknown.
        renews: Whether keyfob can renew the access token without the user.
        refresh_until: When the refresh token expires; None if unknown.
        ends_at: When the user must log in again; None if unknown.
    """

    state: State
    access_until: datetime | None
    renews: bool
    refresh_until: datetime | None
    ends_at: datetime | None


def login_status(stored: StoredLogin, moment: datetime, *, is_machine: bool) -> LoginStatus:
    """Return a stored login's state, without contacting the server."""
    access_until = None if stored.expires_at is None else stored.expires_at - stored.skew
    has_refresh = stored.refresh_token is not None
    refresh_until = stored.refresh_until - stored.skew if has_refresh and stored.refresh_until is not None else None
    is_open = refresh_until is None or refresh_until > moment
    renews = is_machine or (has_refresh and is_open)
    is_good = access_until is None or access_until > moment
    ends_at = None if is_machine else refresh_until if renews else access_until
    state: State = "logged-in" if is_good else "lapsed-but-renews" if renews else "login-needed"
    return LoginStatus(state, access_until, renews, refresh_until, ends_at)

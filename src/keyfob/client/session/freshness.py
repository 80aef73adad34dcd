"""How fresh a stored login is: use its token, refresh it or log in again; and the refresh itself (RFC 6749 §6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from keyfob.client.auth.client_auth import OAuthClient, request_tokens
from keyfob.client.auth.token_response import OK, read_tokens
from keyfob.client.model.stored_login import DEFAULT_MIN_TTL, StoredLogin
from keyfob.client.ports import World
from keyfob.errors import LoginRequired, Refused
from keyfob.protocol.grants import RefreshGrant
from keyfob.protocol.oauth_error import INVALID_GRANT, OAuthError
from keyfob.protocol.secret import Secret

# A clock that shows less than when the token came was set back since; how long the token still lives, nobody knows.
_SET_BACK: Final = timedelta(minutes=2)
State = Literal["logged-in", "lapsed-but-renews", "login-needed", "offline-unknown", "vault-unavailable"]


@dataclass(frozen=True, slots=True)
class Use:
    """Good enough as it is."""

    access_token: Secret


@dataclass(frozen=True, slots=True)
class Refresh:
    """Lapsed or about to; the refresh token gets another."""

    refresh_token: Secret


@dataclass(frozen=True, slots=True)
class LogIn:
    """Only the person can help."""


def judge(stored: StoredLogin | None, moment: datetime, min_ttl: timedelta | None = None) -> Use | Refresh | LogIn:
    """Use, refresh or log in.

    Args:
        held: What the vault has.
        moment: Aware, UTC, by this machine's clock; what was learnt about that clock is in `held`.
        min_ttl: How long the token must still live; None for the usual. A token of unknown life counts as good.
    """
    if stored is None:
        return LogIn()
    there = moment + stored.skew
    least = stored.renewal_window if min_ttl is None else min_ttl
    is_good = stored.expires_at is None or stored.expires_at - there >= least
    if stored.refresh_token is None:
        return Use(stored.access_token) if is_good else LogIn()
    if is_good and there >= stored.obtained_at - _SET_BACK:
        return Use(stored.access_token)
    return Refresh(stored.refresh_token)


def is_usable(stored: StoredLogin, moment: datetime, min_ttl: timedelta | None) -> bool:
    """Return whether the token is still valid at this moment and no longer life was asked for."""
    lives = stored.expires_at is None or stored.expires_at > moment + stored.skew
    return lives and (min_ttl is None or min_ttl <= DEFAULT_MIN_TTL)


async def refresh(world: World, stored: StoredLogin, refresh_token: Secret, client: OAuthClient) -> StoredLogin:
    """Ask once; never twice, since a refresh token may be for one use.

    Args:
        held: The login.
        refresh_token: Its refresh token.
        program: Who asks.

    Returns:
        The login with new tokens, to be kept at once.

    Raises:
        LoginRequired: The server does not know the refresh token any more.
        Refused: Another refusal; the refresh token may still be good.
        Unreachable: No usable answer; the refresh token may still be good.
        Malformed: Tokens came, but not as they should.
        InvalidToken: The ID token with them is about somebody else.
    """
    response = await request_tokens(world, client, stored.token_endpoint, RefreshGrant(refresh_token))
    error = OAuthError.find(response)
    if response.status != OK and error is not None and error.error == INVALID_GRANT:
        raise LoginRequired("the login has ended", oauth_code=error.error, hint="Run: keyfob login")
    try:
        answer = read_tokens(response, "the server does not refresh this login", client.token_types)
    except Refused as problem:
        problem.hint = problem.hint or "If it stays so, log in again: keyfob login"
        raise
    moment = world.now().wall
    if answer.id_token is not None:
        from keyfob.client.flows.id_token import check_renewed  # noqa: PLC0415  signatures cost 100 ms

        check_renewed(answer.id_token, stored, moment)
    return stored.refreshed(answer, moment)


@dataclass(frozen=True, slots=True)
class LoginStatus:
    """All moments are by this machine's clock.

    Attributes:
        state: The last two are for whoever asked an issuer that did not answer, or could not look into the vault.
        access_until: When the access token lapses; None where nobody said.
        renews: Whether a new one can be had without the person.
        refresh_until: When that ends, where the server said so.
        ends_at: Until when the login can go on without the person; None where nobody knows.
    """

    state: State
    access_until: datetime | None
    renews: bool
    refresh_until: datetime | None
    ends_at: datetime | None


def login_status(stored: StoredLogin, moment: datetime, *, is_machine: bool) -> LoginStatus:
    """Judge a login by what is kept of it."""
    access_until = None if stored.expires_at is None else stored.expires_at - stored.skew
    has_refresh = stored.refresh_token is not None
    refresh_until = stored.refresh_until - stored.skew if has_refresh and stored.refresh_until is not None else None
    is_open = refresh_until is None or refresh_until > moment
    renews = is_machine or (has_refresh and is_open)
    is_good = access_until is None or access_until > moment
    ends_at = None if is_machine else refresh_until if renews else access_until
    state: State = "logged-in" if is_good else "lapsed-but-renews" if renews else "login-needed"
    return LoginStatus(state, access_until, renews, refresh_until, ends_at)

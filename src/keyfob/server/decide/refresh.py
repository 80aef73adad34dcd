"""Decide about a refresh: rotate; a reused token ends its family; a lost answer does not (RFC 9700 §4.14.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from keyfob.protocol.scope import Scope
from keyfob.server.decide.check_table import first_refusal
from keyfob.server.decide.presented import Account, PresentedRefreshToken, PresentedToken
from keyfob.server.decide.token_checks import REFRESH
from keyfob.server.records import RefreshLogin
from keyfob.server.settings.registered import RefreshPolicy
from keyfob.server.wire import Outcome

MOST_TWINS: Final = 10  # tokens of one generation, all made within a client's leeway
Reason = Literal["unknown", "reused", "lapsed", "scope", "key"]
# Why a row refuses, for the log.
_REASONS: Final[dict[str, Reason]] = {"unused": "reused", "unexpired": "lapsed", "token_key": "key", "scope": "scope"}


@dataclass(frozen=True, slots=True)
class Renew:
    """New tokens are due, provided that `login` is saved.

    Attributes:
        scope: That of the access token alone.
        rotates: Whether a new refresh token goes with it.
    """

    login: RefreshLogin
    scope: Scope
    rotates: bool


@dataclass(frozen=True, slots=True)
class Refuse:
    """No tokens are due. `login` is to be saved where there is one: its family has ended."""

    outcome: Outcome
    reason: Reason
    login: RefreshLogin | None = None


def decide_refresh(
    login: RefreshLogin | None,
    presented: PresentedToken | None,
    policy: RefreshPolicy,
    now: datetime,
    fresh_hash: bytes,
    account: Account | None = None,
) -> Renew | Refuse:
    """Decide what a refresh token gets.

    The newest token rotates. The one before it still works while the newest has never been used: then its answer was
    lost on the way. It gets another successor, and the lost one is dead; only within the client's leeway do both live.
    Anything older has been copied, and the whole family ends.

    Args:
        login: The row that the token's id points to.
        presented: What the client presents; None where the token cannot be read.
        policy: The client's, as it is today.
        now: Aware, UTC.
        fresh_hash: Of the secret part of the next token.
        account: The user and the API as they are now; None: they are not looked at.
    """
    refused = first_refusal(REFRESH, PresentedRefreshToken(login, presented, now, account))
    if refused is not None:
        reason = _REASONS.get(refused.row, "unknown")
        ends = login is not None and reason in {"reused", "lapsed"}
        return Refuse(refused.outcome, reason, replace(login, has_ended=True) if login and ends else None)
    assert login is not None, "an unknown token is refused"  # noqa: S101
    assert presented is not None  # noqa: S101
    scope = login.scope if presented.scope is None else presented.scope
    renewed = replace(login, idle_expires_at=min(now + policy.idle, login.expires_at))
    if not policy.rotates:
        return Renew(renewed, scope, rotates=False)
    is_current = presented.is_current(login)
    has_leeway = not is_current and login.rotated_at is not None and now < login.rotated_at + policy.leeway
    twins = login.current_hashes[: MOST_TWINS - 1] if has_leeway else ()
    moved = replace(
        renewed,
        generation=presented.generation + 1,
        current_hashes=(fresh_hash, *twins),
        previous_hashes=login.current_hashes if is_current else login.previous_hashes,
        rotated_at=login.rotated_at if has_leeway else now,
    )
    return Renew(moved, scope, rotates=True)

"""Decide about a refresh: rotation, and detection of reused tokens (RFC 9700 §4.14.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal

from keyfob.light import light_dataclass
from keyfob.protocol.scope import Scope
from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.decide.presented import Account, PresentedRefreshToken, RefreshFacts
from keyfob.server.decide.token_checks import REFRESH
from keyfob.server.records import RefreshLogin
from keyfob.server.settings.registered import RefreshPolicy
from keyfob.server.wire import Outcome

# A response may be lost, and processes may share a token. So the previous token stays valid for this time, and for this
# number of uses.
REPEAT_WINDOW: Final = timedelta(seconds=60)
MOST_REPEATS: Final = 20
Reason = Literal["unknown", "reused", "lapsed", "scope", "key", "closed"]
# The reason to log for each row.
_REASONS: Final[dict[str, Reason]] = {
    "unused": "reused", "unexpired": "lapsed", "token_key": "key", "scope": "scope", "account": "closed",
}  # fmt: skip
_ENDS: Final[frozenset[Reason]] = frozenset({"reused", "lapsed", "closed"})


@light_dataclass(frozen=True, slots=True)
class Renew:
    """The decision to issue new tokens. The caller must save `login` before it returns the tokens.

    Attributes:
        scope: The scope of the access token. The scope of the login does not change.
        rotates: Whether the new tokens include a refresh token.
    """

    login: RefreshLogin
    scope: Scope
    rotates: bool


@light_dataclass(frozen=True, slots=True)
class Refuse:
    """The decision to issue no tokens. If `login` is not None, this login has ended and must be saved."""

    outcome: Outcome
    reason: Reason
    login: RefreshLogin | None = None


def decide_refresh(
    login: RefreshLogin | None,
    presented: PresentedRefreshToken | None,
    policy: RefreshPolicy,
    now: datetime,
    fresh_hash: bytes,
    account: Account | None = None,
) -> Renew | Refuse:
    """Decide about a presented refresh token.

    If the client's `policy` rotates tokens, each use of the newest token returns a successor, which replaces it. The
    response may get lost, so the replaced token remains valid for a time, and each use returns the same successor. The
    replaced token becomes invalid at the first of these (if `policy` does not rotate tokens, no token is replaced):

    - Its successor is used.
    - `REPEAT_WINDOW` or the client's leeway has passed since the rotation, whichever is longer.
    - It has been used `MOST_REPEATS` times since the rotation.

    If a replaced token is used after that, it counts as copied, so its use ends the login. The login also ends if it
    has expired, or if the current settings no longer allow any part of it.

    Args:
        login: The login that the token belongs to.
        presented: The presented token; None if it cannot be read.
        policy: The client's current settings.
        now: The current time, aware, UTC.
        fresh_hash: The keyed hash of the secret part of the next token. The next token is derived from the presented
            token.
        account: The part of the login that the current settings still allow; if None, it is not checked.
    """
    client_id = "" if presented is None else presented.client_id
    until = None if login is None or login.rotated_at is None else login.rotated_at + max(REPEAT_WINDOW, policy.leeway)
    facts = RefreshFacts(
        record=login, client_id=client_id, now=now, account=account, token=presented, repeats_until=until,
        most_repeats=MOST_REPEATS,
    )  # fmt: skip
    refused = first_failed_check(REFRESH, facts)
    if refused is not None:
        reason = _REASONS.get(refused.row, "unknown")
        return Refuse(refused.outcome, reason, replace(login, has_ended=True) if login and reason in _ENDS else None)
    login, presented = facts.known, facts.presented
    scope = login.scope if presented.scope is None else presented.scope
    scope = scope if account is None else scope & account.scope
    idle = min(now + policy.idle, login.expires_at)
    if not policy.rotates:
        return Renew(replace(login, idle_expires_at=idle, used_at=now), scope, rotates=False)
    if not presented.is_current(login):
        repeated = replace(login, idle_expires_at=idle, used_at=now, repeats=login.repeats + 1)
        return Renew(repeated, scope, rotates=True)
    moved = replace(
        login,
        idle_expires_at=idle,
        used_at=now,
        generation=presented.generation + 1,
        current_hashes=(fresh_hash,),
        previous_hashes=login.current_hashes,
        rotated_at=now,
        repeats=0,
    )
    return Renew(moved, scope, rotates=True)

"""Decide about a refresh: rotation, and detection of reused tokens (RFC 9700 §4.14.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from keyfob.protocol.scope import Scope
from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.decide.presented import Account, PresentedRefreshToken, RefreshFacts
from keyfob.server.decide.token_checks import REFRESH
from keyfob.server.records import RefreshLogin
from keyfob.server.settings.registered import RefreshPolicy
from keyfob.server.wire import Outcome

MOST_CURRENT: Final = 10  # tokens of one generation, all issued within a client's leeway
Reason = Literal["unknown", "reused", "lapsed", "scope", "key"]
# The reason to log for each row.
_REASONS: Final[dict[str, Reason]] = {"unused": "reused", "unexpired": "lapsed", "token_key": "key", "scope": "scope"}


@dataclass(frozen=True, slots=True)
class Renew:
    """Issue new tokens, once `login` is saved.

    Attributes:
        scope: The scope of the access token; that of the login stays the same.
        rotates: Whether a new refresh token is issued.
    """

    login: RefreshLogin
    scope: Scope
    rotates: bool


@dataclass(frozen=True, slots=True)
class Refuse:
    """Issue no tokens. `login` must be saved if it is not None: it has ended."""

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

    The newest token rotates. The previous token still works while the newest has never been used, since the client may
    not have received the answer. It gets another successor, which replaces the newest token; within the client's leeway
    both stay valid. An older token has been copied, so the login ends.

    Args:
        login: The login that the token names.
        presented: None: the token cannot be read.
        policy: The client's current settings.
        now: Aware, UTC.
        fresh_hash: The keyed hash of the secret part of the next token.
        account: The current user and API; None: they are not checked.
    """
    client_id = "" if presented is None else presented.client_id
    facts = RefreshFacts(record=login, client_id=client_id, now=now, account=account, token=presented)
    refused = first_failed_check(REFRESH, facts)
    if refused is not None:
        reason = _REASONS.get(refused.row, "unknown")
        ends = login is not None and reason in {"reused", "lapsed"}
        return Refuse(refused.outcome, reason, replace(login, has_ended=True) if login and ends else None)
    login, presented = facts.known, facts.presented
    scope = login.scope if presented.scope is None else presented.scope
    renewed = replace(login, idle_expires_at=min(now + policy.idle, login.expires_at))
    if not policy.rotates:
        return Renew(renewed, scope, rotates=False)
    is_current = presented.is_current(login)
    has_leeway = not is_current and login.rotated_at is not None and now < login.rotated_at + policy.leeway
    others = login.current_hashes[: MOST_CURRENT - 1] if has_leeway else ()
    moved = replace(
        renewed,
        generation=presented.generation + 1,
        current_hashes=(fresh_hash, *others),
        previous_hashes=login.current_hashes if is_current else login.previous_hashes,
        rotated_at=login.rotated_at if has_leeway else now,
    )
    return Renew(moved, scope, rotates=True)

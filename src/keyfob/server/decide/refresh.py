"""Decide about a refresh: rotate; a reused token ends its family; a lost answer does not (RFC 9700 §4.14.2)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from keyfob.protocol.scope import Scope
from keyfob.server.records import RefreshLogin
from keyfob.server.wire import Outcome


@dataclass(frozen=True, slots=True)
class Shown:
    """The parts of the token that was shown, its secret part hashed."""

    generation: int
    secret_hash: bytes


@dataclass(frozen=True, slots=True)
class Rotate:
    """New tokens are due, provided that `login` is saved; `scope` is that of the access token alone."""

    login: RefreshLogin
    scope: Scope


@dataclass(frozen=True, slots=True)
class Refuse:
    """No tokens. `login` is to be saved where there is one: its family has ended."""

    outcome: Outcome
    reason: Literal["unknown", "reused", "lapsed", "scope"]
    login: RefreshLogin | None = None


def decide_refresh(
    login: RefreshLogin | None,
    shown: Shown,
    client_id: str,
    asked: Scope | None,
    now: datetime,
    fresh_hash: bytes,
    idle: timedelta,
) -> Rotate | Refuse:
    """Decide what a refresh token gets.

    The newest token rotates. The one before it still works while the newest has never been used: then its answer was
    lost on the way. It gets another successor, and the lost one is dead. Anything older has been copied, and the
    whole family ends.

    Args:
        login: The row that the token's id points to.
        shown: What the token carries.
        client_id: Who shows it.
        asked: A narrower scope, or None for the same as before.
        now: Aware, UTC.
        fresh_hash: Of the secret part of the next token.
        idle: How long the next token may lie unused.
    """
    if login is None or login.client_id != client_id or login.has_ended:
        return Refuse("refresh_unknown", "unknown")
    is_current = shown.generation == login.generation and hmac.compare_digest(shown.secret_hash, login.current_hash)
    is_previous = (
        shown.generation == login.generation - 1
        and login.previous_hash is not None
        and hmac.compare_digest(shown.secret_hash, login.previous_hash)
    )
    if not is_current and not is_previous:
        return Refuse("refresh_unknown", "reused", replace(login, has_ended=True))
    if now >= min(login.expires_at, login.idle_expires_at):
        return Refuse("refresh_unknown", "lapsed", replace(login, has_ended=True))
    if asked is not None and not asked <= login.scope:
        return Refuse("scope_widened", "scope")
    moved = replace(
        login,
        generation=shown.generation + 1,
        previous_hash=shown.secret_hash,
        current_hash=fresh_hash,
        idle_expires_at=min(now + idle, login.expires_at),
    )
    return Rotate(moved, login.scope if asked is None else asked)

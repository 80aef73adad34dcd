"""Decide about a refresh: rotate; a reused token ends its family; a lost answer does not (RFC 9700 §4.14.2)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from keyfob.protocol.scope import Scope
from keyfob.server.records import RefreshLogin
from keyfob.server.settings.registered import RefreshPolicy
from keyfob.server.wire import Outcome

MOST_TWINS: Final = 10  # tokens of one generation, all made within an application's leeway


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown.

    Attributes:
        generation: Inside the token.
        secret_hash: Of its secret part.
        client_id: Who shows it.
        scope: A narrower scope, or None for the same as before.
        key_thumbprint: The key whose possession was proven with it, if any.
    """

    generation: int
    secret_hash: bytes
    client_id: str
    scope: Scope | None = None
    key_thumbprint: str | None = None


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
    """No tokens. `login` is to be saved where there is one: its family has ended."""

    outcome: Outcome
    reason: Literal["unknown", "reused", "lapsed", "scope", "key"]
    login: RefreshLogin | None = None


def decide_refresh(
    login: RefreshLogin | None, shown: Shown, policy: RefreshPolicy, now: datetime, fresh_hash: bytes
) -> Renew | Refuse:
    """Decide what a refresh token gets.

    The newest token rotates. The one before it still works while the newest has never been used: then its answer was
    lost on the way. It gets another successor, and the lost one is dead; only within the application's leeway do both
    live. Anything older has been copied, and the whole family ends.

    Args:
        login: The row that the token's id points to.
        shown: What the program shows.
        policy: The application's, as it is today.
        now: Aware, UTC.
        fresh_hash: Of the secret part of the next token.
    """
    if login is None or login.client_id != shown.client_id or login.has_ended:
        return Refuse("refresh_unknown", "unknown")
    is_current = shown.generation == login.generation and _is_among(shown.secret_hash, login.current_hashes)
    is_previous = shown.generation == login.generation - 1 and _is_among(shown.secret_hash, login.previous_hashes)
    if not is_current and not is_previous:
        return Refuse("refresh_unknown", "reused", replace(login, has_ended=True))
    if now >= min(login.expires_at, login.idle_expires_at):
        return Refuse("refresh_unknown", "lapsed", replace(login, has_ended=True))
    if login.key_thumbprint is not None and login.key_thumbprint != shown.key_thumbprint:
        return Refuse("refresh_unknown", "key")  # a stolen token, shown without its key, must not end the login
    if shown.scope is not None and not shown.scope <= login.scope:
        return Refuse("scope_widened", "scope")
    scope = login.scope if shown.scope is None else shown.scope
    renewed = replace(login, idle_expires_at=min(now + policy.idle, login.expires_at))
    if not policy.rotates:
        return Renew(renewed, scope, rotates=False)
    has_leeway = is_previous and login.rotated_at is not None and now < login.rotated_at + policy.leeway
    twins = login.current_hashes[: MOST_TWINS - 1] if has_leeway else ()
    moved = replace(
        renewed,
        generation=shown.generation + 1,
        current_hashes=(fresh_hash, *twins),
        previous_hashes=login.current_hashes if is_current else login.previous_hashes,
        rotated_at=login.rotated_at if has_leeway else now,
    )
    return Renew(moved, scope, rotates=True)


def _is_among(hashed: bytes, known: tuple[bytes, ...]) -> bool:
    return any(hmac.compare_digest(hashed, one) for one in known)

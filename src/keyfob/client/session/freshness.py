"""Decide what to do with a token we already hold. Does not act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyfob.client.model.stored_login import Held
from keyfob.protocol.secret import Secret

# A token that lapses while a request is on its way is refused; it is renewed this long before.
DEFAULT_MIN_TTL: Final = timedelta(seconds=60)
# A clock that shows less than when the token came was set back since; how long the token still lives, nobody knows.
_SET_BACK: Final = timedelta(minutes=2)


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


def judge(held: Held | None, moment: datetime, min_ttl: timedelta | None = None) -> Use | Refresh | LogIn:
    """Use, refresh or log in.

    Args:
        held: What the vault has.
        moment: Aware, UTC, by this machine's clock; what was learnt about that clock is in `held`.
        min_ttl: How long the token must still live; None for the usual. A token of unknown life counts as good.
    """
    if held is None:
        return LogIn()
    there = moment + held.skew
    least = usual_window(held) if min_ttl is None else min_ttl
    is_good = held.expires_at is None or held.expires_at - there >= least
    if held.refresh_token is None:
        return Use(held.access_token) if is_good else LogIn()
    if is_good and there >= held.obtained_at - _SET_BACK:
        return Use(held.access_token)
    return Refresh(held.refresh_token)


def usual_window(held: Held) -> timedelta:
    """How long before its end a token is renewed, if nobody asks for more: a minute, or a quarter of a short life."""
    if held.expires_at is None:
        return DEFAULT_MIN_TTL
    return min(DEFAULT_MIN_TTL, max(timedelta(), held.expires_at - held.obtained_at) / 4)

"""Decide what to do with a token we already hold. Does not act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyfob.client.held import Held
from keyfob.protocol.secret import Secret

# A token that lapses while a request is on its way is refused; it is renewed this long before.
DEFAULT_MIN_TTL: Final = timedelta(seconds=60)


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


def judge(held: Held | None, moment: datetime, min_ttl: timedelta = DEFAULT_MIN_TTL) -> Use | Refresh | LogIn:
    """Use, refresh or log in.

    Args:
        held: What the vault has.
        moment: Aware, UTC.
        min_ttl: How long the token must still live. A token of unknown life counts as good.
    """
    if held is None:
        return LogIn()
    if held.expires_at is None or held.expires_at - moment >= min_ttl:
        return Use(held.access_token)
    return LogIn() if held.refresh_token is None else Refresh(held.refresh_token)

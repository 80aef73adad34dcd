"""Decide: may we ask the issuer for its keys again yet (OpenID Connect Core §10.1.1)?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from keyfob.jose.keys import KeySet

# An attacker can make up any number of key ids; only one question per cool-down reaches the issuer.
COOL_DOWN: Final = timedelta(seconds=30)
SHORTEST_LIFE: Final = timedelta(seconds=15)
DEFAULT_LIFE: Final = timedelta(minutes=10)
LONGEST_LIFE: Final = timedelta(days=1)
# Known keys go on working this long while the issuer does not answer; then the guard closes.
LONGEST_STALE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """An issuer's keys and when they came. Times are of a steady clock that starts anywhere."""

    keys: KeySet = KeySet()
    fetched_at: timedelta | None = None
    tried_at: timedelta | None = None
    life: timedelta = DEFAULT_LIFE

    def is_usable(self, steady: timedelta) -> bool:
        """Whether these keys may still be trusted at all."""
        return self.fetched_at is not None and steady - self.fetched_at <= self.life + LONGEST_STALE


def should_refetch(held: HeldKeys, steady: timedelta, *, key_missing: bool) -> bool:
    """Whether to ask the issuer now.

    Args:
        held: What is known.
        steady: Now, on the same steady clock.
        key_missing: A token named a key that is not held.
    """
    if held.tried_at is not None and steady - held.tried_at < COOL_DOWN:
        return False
    return held.fetched_at is None or key_missing or steady - held.fetched_at >= held.life


def life_of(cache_control: str | None) -> timedelta:
    """How long keys may be kept, from their `Cache-Control`, within bounds."""
    found = re.search(r"max-age=(\d{1,9})", cache_control or "")
    if found is None:
        return DEFAULT_LIFE
    return min(max(timedelta(seconds=int(found[1])), SHORTEST_LIFE), LONGEST_LIFE)

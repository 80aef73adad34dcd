"""Decide when an issuer's keys may be fetched again (OpenID Connect Core §10.1.1)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from keyfob.jose.keys import KeySet

# An attacker can invent any number of key IDs; only one fetch per cool-down reaches the issuer.
COOL_DOWN: Final = timedelta(seconds=30)
# An issuer that did not answer the first fetch may be starting at the same time as this API.
FIRST_COOL_DOWN: Final = timedelta(seconds=5)
# A key that the issuer did not have is not fetched again for this time. Then a key that was published late is found.
MISSING_LIFE: Final = timedelta(seconds=60)
SHORTEST_LIFE: Final = timedelta(seconds=15)
DEFAULT_LIFE: Final = timedelta(minutes=10)
LONGEST_LIFE: Final = timedelta(days=1)
# If the issuer does not answer, cached keys are used for this long; then all tokens are denied.
LONGEST_STALE: Final = timedelta(days=1)

_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,9})")


@dataclass(frozen=True, slots=True)
class CachedKeys:
    """An issuer's keys, and the times of the last fetches by a monotonic clock.

    Attributes:
        missing: The key IDs that a fetch did not find, each with the time of that fetch. The key ID None stands for
            tokens without a `kid`. The mapping stays small, since each fetch adds at most one entry and old entries are
            dropped.
        fresh_until: The time, in seconds, before which no fetch is needed. Every API call compares this time with the
            clock. It is a float, since floats compare faster than a `timedelta`.
    """

    keys: KeySet = KeySet()
    fetched_at: timedelta | None = None
    tried_at: timedelta | None = None
    life: timedelta = DEFAULT_LIFE
    missing: Mapping[str | None, timedelta] = field(default_factory=dict[str | None, timedelta])

    fresh_until: float = field(init=False)

    def __post_init__(self) -> None:
        """Compute `fresh_until`."""
        until = -math.inf if self.fetched_at is None else (self.fetched_at + self.life).total_seconds()
        object.__setattr__(self, "fresh_until", until)

    def is_usable(self, steady: timedelta) -> bool:
        """Return whether the keys may be used: they are fresh, or have been stale for at most `LONGEST_STALE`."""
        return self.fetched_at is not None and steady - self.fetched_at <= self.life + LONGEST_STALE

    @property
    def is_answered(self) -> bool:
        """Whether the last fetch succeeded."""
        return self.fetched_at is not None and self.fetched_at == self.tried_at

    def without(self, key_id: str | None, steady: timedelta) -> CachedKeys:
        """Return the same keys, with a record that the issuer does not have this key ID."""
        recent = {name: at for name, at in self.missing.items() if steady - at < MISSING_LIFE}
        return replace(self, missing={**recent, key_id: steady})


def is_due(cached: CachedKeys, steady: timedelta) -> bool:
    """Return whether to fetch now because the keys are missing or stale.

    Return False if the last fetch was too recent.
    """
    if _cools_down(cached, steady):
        return False
    return cached.fetched_at is None or steady - cached.fetched_at >= cached.life


def may_seek(cached: CachedKeys, key_id: str | None, steady: timedelta) -> bool:
    """Return whether to fetch now because a token names an unknown key.

    Return False if the last fetch was too recent, or if a fetch within `MISSING_LIFE` did not find this key.
    """
    known_missing = cached.missing.get(key_id)
    if known_missing is not None and steady - known_missing < MISSING_LIFE:
        return False
    return not _cools_down(cached, steady)


def _cools_down(cached: CachedKeys, steady: timedelta) -> bool:
    pause = FIRST_COOL_DOWN if cached.fetched_at is None else COOL_DOWN
    return cached.tried_at is not None and steady - cached.tried_at < pause


def life_of(cache_control: str | None, age: str | None = None) -> timedelta:
    """Return how long keys may be cached, from `Cache-Control` and `Age` (RFC 9111 §4.2).

    The time is at least `SHORTEST_LIFE` and at most `LONGEST_LIFE`. If the issuer sends no `max-age`, it is
    `DEFAULT_LIFE`.
    """
    found = _MAX_AGE.search((cache_control or "").lower())
    if found is None:
        return DEFAULT_LIFE
    spent = int(age) if age is not None and re.fullmatch(r"\d{1,9}", age, re.ASCII) else 0
    return min(max(timedelta(seconds=int(found[1]) - spent), SHORTEST_LIFE), LONGEST_LIFE)

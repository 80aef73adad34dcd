"""Decide: may we ask the issuer for its keys again yet (OpenID Connect Core §10.1.1)?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from keyfob.jose.keys import KeySet

# An attacker can make up any number of key ids; only one question per cool-down reaches the issuer.
COOL_DOWN: Final = timedelta(seconds=30)
# An issuer that did not answer the very first question may be starting up beside us.
FIRST_COOL_DOWN: Final = timedelta(seconds=5)
# So long the issuer is not asked again about a key that it did not know; one that is published late is found then.
MISSING_LIFE: Final = timedelta(seconds=60)
SHORTEST_LIFE: Final = timedelta(seconds=15)
DEFAULT_LIFE: Final = timedelta(minutes=10)
LONGEST_LIFE: Final = timedelta(days=1)
# Known keys go on working this long while the issuer does not answer; then the guard closes.
LONGEST_STALE: Final = timedelta(days=1)

_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,9})")


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """An issuer's keys and when they came. Times are of a steady clock that starts anywhere.

    Attributes:
        missing: Key ids that the issuer did not know when it was asked for them, and when that was. None stands for
            tokens that name no key. There are never more than a few: one question brings at most one.
        fresh_until: Before that there is no need to ask.
    """

    keys: KeySet = KeySet()
    fetched_at: timedelta | None = None
    tried_at: timedelta | None = None
    life: timedelta = DEFAULT_LIFE
    missing: Mapping[str | None, timedelta] = field(default_factory=dict[str | None, timedelta])

    fresh_until: timedelta = field(init=False)

    def __post_init__(self) -> None:
        """Reckon that once: every call to an API asks."""
        object.__setattr__(
            self, "fresh_until", timedelta.min if self.fetched_at is None else self.fetched_at + self.life
        )

    def is_usable(self, steady: timedelta) -> bool:
        """Whether these keys may still be trusted at all."""
        return self.fetched_at is not None and steady - self.fetched_at <= self.life + LONGEST_STALE

    @property
    def is_answered(self) -> bool:
        """Whether the last question was answered."""
        return self.fetched_at is not None and self.fetched_at == self.tried_at

    def without(self, key_id: str | None, steady: timedelta) -> HeldKeys:
        """The same, knowing that the issuer has no such key."""
        recent = {name: at for name, at in self.missing.items() if steady - at < MISSING_LIFE}
        return replace(self, missing={**recent, key_id: steady})


def is_due(held: HeldKeys, steady: timedelta) -> bool:
    """Whether to ask the issuer now, since the keys have aged or never came."""
    if _cools_down(held, steady):
        return False
    return held.fetched_at is None or steady - held.fetched_at >= held.life


def may_seek(held: HeldKeys, key_id: str | None, steady: timedelta) -> bool:
    """Whether to ask the issuer now for a key that a token names and that is not held."""
    known_missing = held.missing.get(key_id)
    if known_missing is not None and steady - known_missing < MISSING_LIFE:
        return False
    return not _cools_down(held, steady)


def _cools_down(held: HeldKeys, steady: timedelta) -> bool:
    pause = FIRST_COOL_DOWN if held.fetched_at is None else COOL_DOWN
    return held.tried_at is not None and steady - held.tried_at < pause


def life_of(cache_control: str | None, age: str | None = None) -> timedelta:
    """How long keys may be kept, from their `Cache-Control` and `Age` (RFC 9111 §4.2), within bounds."""
    found = _MAX_AGE.search((cache_control or "").lower())
    if found is None:
        return DEFAULT_LIFE
    spent = int(age) if age is not None and re.fullmatch(r"\d{1,9}", age, re.ASCII) else 0
    return min(max(timedelta(seconds=int(found[1]) - spent), SHORTEST_LIFE), LONGEST_LIFE)

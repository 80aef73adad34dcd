"""When an issuer may be asked for its keys again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyfob.resource.refetch import COOL_DOWN, HeldKeys, life_of, should_refetch

HOUR = timedelta(hours=1)


def held(fetched: timedelta | None, tried: timedelta | None, life: timedelta = HOUR) -> HeldKeys:
    return HeldKeys(fetched_at=fetched, tried_at=tried, life=life)


@pytest.mark.parametrize(
    ("keys", "steady", "missing", "asks"),
    [
        (held(None, None), timedelta(), False, True),
        (held(None, timedelta()), timedelta(seconds=29), True, False),
        (held(None, timedelta()), COOL_DOWN, False, True),
        (held(timedelta(), timedelta()), timedelta(seconds=29), True, False),
        (held(timedelta(), timedelta()), COOL_DOWN, True, True),
        (held(timedelta(), timedelta()), COOL_DOWN, False, False),
        (held(timedelta(), timedelta()), HOUR, False, True),
        (held(timedelta(), HOUR), HOUR + timedelta(seconds=1), False, False),
    ],
)
def test_the_issuer_is_asked_only_when_due(keys: HeldKeys, steady: timedelta, *, missing: bool, asks: bool) -> None:
    """[RS-OIDC-01]."""
    assert should_refetch(keys, steady, key_missing=missing) is asks


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 600), ("no-store", 600), ("public, max-age=60", 60), ("max-age=0", 15), ("max-age=999999999", 86400)],
)
def test_the_life_of_keys_follows_cache_control_within_bounds(header: str | None, seconds: int) -> None:
    assert life_of(header) == timedelta(seconds=seconds)


def test_stale_keys_work_for_a_day_and_then_no_more() -> None:
    """[RS-IMPL-01]."""
    keys = held(timedelta(), timedelta())
    assert keys.is_usable(HOUR + timedelta(days=1))
    assert not keys.is_usable(HOUR + timedelta(days=1, seconds=1))

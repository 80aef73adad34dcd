"""When an issuer may be asked for its keys again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyfob.resource.refetch import COOL_DOWN, FIRST_COOL_DOWN, MISSING_LIFE, CachedKeys, is_due, life_of, may_seek

HOUR = timedelta(hours=1)


def held(fetched: timedelta | None, tried: timedelta | None, life: timedelta = HOUR) -> CachedKeys:
    return CachedKeys(fetched_at=fetched, tried_at=tried, life=life)


@pytest.mark.parametrize(
    ("keys", "steady", "missing", "asks"),
    [
        (held(None, None), timedelta(), False, True),
        (held(None, timedelta()), timedelta(seconds=4), True, False),
        (held(None, timedelta()), FIRST_COOL_DOWN, False, True),
        (held(timedelta(), timedelta()), timedelta(seconds=29), True, False),
        (held(timedelta(), timedelta()), COOL_DOWN, True, True),
        (held(timedelta(), timedelta()), COOL_DOWN, False, False),
        (held(timedelta(), timedelta()), HOUR, False, True),
        (held(timedelta(), HOUR), HOUR + timedelta(seconds=1), False, False),
    ],
)
def test_the_issuer_is_asked_only_when_due(keys: CachedKeys, steady: timedelta, *, missing: bool, asks: bool) -> None:
    """[RS-OIDC-01]."""
    assert (may_seek(keys, "unknown", steady) if missing else is_due(keys, steady)) is asks


def test_a_key_that_the_issuer_did_not_know_is_not_asked_about_again_for_a_minute() -> None:
    """[RS-OIDC-01]."""
    keys = held(timedelta(), timedelta()).without("gone", timedelta())
    assert not may_seek(keys, "gone", COOL_DOWN)
    assert may_seek(keys, "another", COOL_DOWN)
    assert may_seek(keys, None, COOL_DOWN)
    assert may_seek(keys, "gone", MISSING_LIFE)


def test_no_more_missing_keys_are_remembered_than_questions_were_asked_in_a_minute() -> None:
    """[RS-OIDC-01]."""
    keys = held(timedelta(), timedelta())
    for number in range(100):
        keys = keys.without(str(number), COOL_DOWN * number)
    assert len(keys.missing) == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 600),
        ("no-store", 600),
        ("public, max-age=60", 60),
        ("public,max-age=60", 60),
        ('Max-Age="60"', 60),
        ("s-maxage=60", 600),
        ("max-age=0", 15),
        ("max-age=999999999", 86400),
    ],
)
def test_the_life_of_keys_follows_cache_control_within_bounds(header: str | None, seconds: int) -> None:
    assert life_of(header) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("age", "seconds"), [("0", 300), ("200", 100), ("400", 15), ("-1", 300), ("x", 300), ("²", 300)]
)
def test_what_a_cache_on_the_way_kept_already_is_taken_off(age: str, seconds: int) -> None:
    assert life_of("max-age=300", age) == timedelta(seconds=seconds)


def test_stale_keys_work_for_a_day_and_then_no_more() -> None:
    """[RS-IMPL-01]."""
    keys = held(timedelta(), timedelta())
    assert keys.is_usable(HOUR + timedelta(days=1))
    assert not keys.is_usable(HOUR + timedelta(days=1, seconds=1))

"""Signing keys turn without a token that an API cannot verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.jose.algorithms import Algorithm
from keyfob.resource.refetch import LONGEST_LIFE, life_of
from keyfob.server.decide.key_schedule import (
    ANNOUNCED_FOR,
    LONGEST_CACHE,
    MARGIN,
    Changes,
    due_changes,
    gone_at,
    longest_tokens,
    next_change,
    published,
    revocation,
    rotation,
    signers,
    stage_of,
    timeline,
    unknown_until,
)
from keyfob.server.endpoints.oauth.metadata import CACHED
from keyfob.server.records import StoredKey
from keyfob.server.settings.registered import Api
from keyfob.server.start import ready_config
from keyfob.testing.fake_time import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "ES256")


def key(name: str, created: datetime, signs: datetime, longest: timedelta = DAY) -> StoredKey:
    return StoredKey(name, "RS256", b"", created, signs, longest)


def made(keys: tuple[StoredKey, ...], changes: Changes, longest: Mapping[Algorithm, timedelta], now: datetime,
         name: str) -> tuple[StoredKey, ...]:  # fmt: skip
    changed = {one.key_id: one for one in changes.changed}
    kept = [changed.get(one.key_id, one) for one in keys if one.key_id not in changes.dropped]
    fresh = [
        StoredKey(f"{name} {algorithm}", algorithm, b"", now, signs_at, longest[algorithm])
        for algorithm, signs_at in changes.made
    ]
    return (*kept, *fresh)


@dataclass(frozen=True)
class Moment:
    """One moment in the life of a tenant: what it published, and what it signed with."""

    at: datetime
    published: frozenset[str]
    signed: Mapping[Algorithm, str]
    lifetimes: Mapping[Algorithm, timedelta]


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 20),  # pairs of hours that pass
        st.sampled_from(["look", "look", "look", "rotate", "lifetimes"]),
        st.tuples(st.integers(1, 200), st.integers(1, 200)),  # hours that tokens live from now on
    ),
    min_size=1,
    max_size=25,
)


@given(EVENTS, st.sampled_from([timedelta(), 2 * DAY, 5 * DAY]))
def test_a_token_that_has_not_expired_verifies_with_any_copy_of_the_keys(
    events: list[tuple[int, str, tuple[int, int]]], every: timedelta
) -> None:
    """Whatever a cache of a day holds, and however lifetimes change: a token's key is in it.

    A copy of before the tenant's first start is none.
    """
    now, keys = NOON, tuple[StoredKey, ...]()
    longest: dict[Algorithm, timedelta] = {"RS256": DAY, "ES256": HOUR}
    moments: list[Moment] = []
    for number, (hours, event, lifetimes) in enumerate(events):
        if event == "lifetimes":
            longest = dict(zip(ALGORITHMS, (timedelta(hours=one) for one in lifetimes), strict=True))
        if event == "rotate" and keys:
            keys = made(keys, rotation(keys, ALGORITHMS, now), longest, now, f"by hand {number}")
        keys = made(keys, due_changes(keys, longest, every, now), longest, now, f"by age {number}")
        for _ in range(hours):  # nothing is changed in the store in that time, but time passes
            shown = frozenset(one.key_id for one in published(keys, now))
            signed = {algorithm: one.key_id for algorithm, one in signers(keys, now).items()}
            assert set(signed) == set(ALGORITHMS)
            moments.append(Moment(now, shown, signed, dict(longest)))
            now += 2 * HOUR
    for issued in moments:
        for algorithm, name in issued.signed.items():
            end = issued.at + issued.lifetimes[algorithm]
            copies = (one for one in moments if issued.at - LONGEST_CACHE <= one.at < end)
            assert all(name in one.published for one in copies)


def test_the_overlap_is_longer_than_every_cache() -> None:
    """The announcement outlives our max-age, our guard's longest copy, and ten hours as in Auth0's SDK."""
    cached = dict(CACHED)["cache-control"]
    assert (LONGEST_CACHE, MARGIN) == (DAY, HOUR)
    assert ANNOUNCED_FOR > LONGEST_CACHE >= max(life_of(cached), LONGEST_LIFE, timedelta(hours=10))


def test_a_key_is_announced_then_signs_is_retired_and_is_gone() -> None:
    old, new = key("old", NOON, NOON), key("new", NOON + DAY, NOON + DAY + ANNOUNCED_FOR)
    keys, signs = (old, new), new.signs_at
    gone = signs + DAY + MARGIN

    assert [stage_of(new, keys, at) for at in (NOON + DAY, signs - HOUR, signs)] == ["announced"] * 2 + ["signing"]
    found = [stage_of(old, keys, at) for at in (NOON, signs - HOUR, signs, gone - HOUR, gone)]
    assert found == ["signing", "signing", "retired", "retired", "gone"]
    assert published(keys, signs) == (new, old)
    assert published(keys, gone) == (new,)
    assert [(step.key_id, step.stage) for step in timeline(keys, NOON + DAY)] == [
        ("new", "announced"), ("new", "signing"), ("old", "retired"), ("old", "gone"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("age", "is_due"), [(90 * DAY - ANNOUNCED_FOR - HOUR, False), (90 * DAY - ANNOUNCED_FOR, True)]
)
def test_a_successor_is_announced_so_that_it_signs_at_the_age(age: timedelta, is_due: bool) -> None:
    keys = (key("old", NOON, NOON),)

    changes = due_changes(keys, {"RS256": DAY}, 90 * DAY, NOON + age)
    assert changes.made == ((("RS256", NOON + 90 * DAY),) if is_due else ())
    after = made(keys, changes, {"RS256": DAY}, NOON + age, "new")
    assert not is_due or not due_changes(after, {"RS256": DAY}, 90 * DAY, NOON + age + HOUR)


def test_a_clock_that_is_behind_leaves_nobody_without_a_key() -> None:
    """The first key of an algorithm signs, even before the time at which it was made."""
    keys = (key("old", NOON, NOON), key("new", NOON, NOON + ANNOUNCED_FOR))
    before = NOON - 1000 * DAY
    assert signers(keys, before)["RS256"].key_id == "old"
    assert len(published(keys, before)) == 2


def test_zero_turns_keys_by_command_alone() -> None:
    assert not due_changes((key("old", NOON, NOON),), {"RS256": DAY}, timedelta(), NOON + 10_000 * DAY)


def test_a_key_that_waits_is_not_announced_again_and_signs_at_once_if_need_be() -> None:
    old, waiting = key("old", NOON, NOON), key("new", NOON, NOON + ANNOUNCED_FOR)

    assert not rotation((old, waiting), ("RS256",), NOON + HOUR)
    changes = rotation((old, waiting), ("RS256",), NOON + HOUR, at_once=True)
    assert changes == Changes(changed=(replace(waiting, signs_at=NOON + HOUR),))
    assert unknown_until(changes.changed[0], LONGEST_CACHE) == NOON + DAY
    assert unknown_until(waiting, LONGEST_CACHE) is None
    assert unknown_until(waiting, ANNOUNCED_FOR) is None
    longer = ANNOUNCED_FOR + timedelta(microseconds=1)
    assert unknown_until(waiting, longer) == NOON + longer


def test_a_revoked_key_is_replaced_at_once_and_the_one_before_does_not_sign_again() -> None:
    first, second = key("first", NOON, NOON), key("second", NOON, NOON + 2 * DAY)
    now = NOON + 2 * DAY + HOUR

    changes = revocation((first, second), "second", now)
    after = made((first, second), changes, {"RS256": DAY}, now, "third")
    assert signers(after, now)["RS256"].key_id == "third RS256"
    assert "second" not in {one.key_id for one in published(after, now)}
    assert revocation((first, second), "first", now) == Changes(dropped=("first",))


def test_of_two_keys_that_wait_the_earlier_signs_at_once() -> None:
    old, waiting = key("old", NOON, NOON), key("new", NOON, NOON + DAY)
    later = key("later", NOON, NOON + 2 * DAY)

    changes = rotation((old, later, waiting), ("RS256",), NOON + HOUR, at_once=True)
    assert changes == Changes(changed=(replace(waiting, signs_at=NOON + HOUR),))


def test_a_revoked_key_is_followed_by_the_key_that_waits_and_takes_those_along_that_are_gone() -> None:
    gone, revoked = key("gone", NOON - 9 * DAY, NOON - 9 * DAY), key("revoked", NOON - 8 * DAY, NOON - 8 * DAY)
    waiting = key("waiting", NOON, NOON + DAY)

    changes = revocation((gone, revoked, waiting), "revoked", NOON)
    assert changes == Changes(dropped=("revoked", "gone"), changed=(replace(waiting, signs_at=NOON),))


def test_a_key_outlives_tokens_that_were_longer_before() -> None:
    """A key remembers the longest lifetime, so that shorter ones later do not remove it too early."""
    keys = (key("old", NOON, NOON, HOUR),)
    changes = due_changes(keys, {"RS256": 30 * DAY}, timedelta(), NOON)
    keys = made(keys, changes, {"RS256": DAY}, NOON, "")
    assert not due_changes(keys, {"RS256": HOUR}, timedelta(), NOON)
    new = key("new", NOON, NOON + DAY)
    assert gone_at(keys[0], (*keys, new)) == NOON + 31 * DAY + MARGIN


def test_a_key_that_is_gone_is_dropped_once_and_one_that_waits_is_kept_for_longer_tokens_too() -> None:
    gone, signing = key("gone", NOON - 9 * DAY, NOON - 9 * DAY), key("signing", NOON - 8 * DAY, NOON - 8 * DAY)
    waiting = key("waiting", NOON, NOON + DAY)

    changes = due_changes((gone, signing, waiting), {"RS256": 2 * DAY}, timedelta(), NOON)
    longer = tuple(replace(one, longest_token=2 * DAY) for one in (signing, waiting))
    assert changes == Changes(dropped=("gone",), changed=longer)
    assert revocation((gone, signing), "gone", NOON) == Changes(dropped=("gone",))


def test_the_keys_change_next_when_a_stage_ends_or_a_successor_is_due() -> None:
    old, new = key("old", NOON, NOON), key("new", NOON + DAY, NOON + 3 * DAY)
    assert next_change((old,), timedelta(), NOON) is None
    assert next_change((old,), 90 * DAY, NOON) == NOON + 90 * DAY - ANNOUNCED_FOR
    assert next_change((old, new), 90 * DAY, NOON + DAY) == NOON + 3 * DAY
    assert next_change((old, new), 90 * DAY, NOON + 3 * DAY) == NOON + 4 * DAY + MARGIN
    assert next_change((old, new), 2 * DAY, NOON) == NOON + 2 * DAY - ANNOUNCED_FOR
    assert next_change((old, new), timedelta(), NOON + 5 * DAY) is None


def test_any_change_is_one_that_the_store_needs() -> None:
    assert not Changes()
    for changes in (
        Changes(made=(("RS256", NOON),)),
        Changes(dropped=("x",)),
        Changes(changed=(key("x", NOON, NOON),)),
    ):
        assert changes


def test_the_first_key_of_each_algorithm_signs_at_once() -> None:
    changes = due_changes((), {"RS256": DAY, "ES256": DAY}, 90 * DAY, NOON)
    assert changes == Changes(made=(("ES256", NOON), ("RS256", NOON)))
    assert rotation((), ("RS256", "ES256"), NOON, at_once=True) == changes


def test_id_tokens_and_all_apis_count_for_the_longest_token() -> None:
    config = ready_config("https://login.example/")
    apis = (*config.apis, Api("https://es.example/", "ES", {}, algorithm="ES256", token_lifetime=2 * DAY))
    assert longest_tokens(replace(config, apis=apis)) == {"RS256": DAY, "ES256": 2 * DAY}
    applications = (replace(config.applications[0], id_token_lifetime=3 * DAY), *config.applications[1:])
    slow = replace(config, apis=apis[-1:], applications=applications, default_audience=None)
    assert longest_tokens(slow) == {"RS256": 3 * DAY, "ES256": 2 * DAY}

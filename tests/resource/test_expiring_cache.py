"""The memory of verified tokens: off unless it is asked for, bounded, and never longer than the token or its keys."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.guard import Policy, Principal
from keyfob.protocol.secret import Secret
from keyfob.resource.expiring_cache import ExpiringCache
from keyfob.resource.io.keys import IssuerKeys
from keyfob.resource.judge import TrustedIssuer, Verifier
from keyfob.testing.flawed_tokens import FLAWS, TokenMaker

from .conftest import AUDIENCE, ISSUER, NOW
from .scenes import READ, Issuer, Steady, call, error_of

HOUR = timedelta(hours=1)


class Scene:
    """A verifier with a cache, and clocks that a test moves."""

    def __init__(self, mint: TokenMaker, remember: int = 100) -> None:
        self.issuer, self.steady, self.now = Issuer(mint.key), Steady(), NOW
        trusted = TrustedIssuer(Policy(ISSUER, AUDIENCE), IssuerKeys(ISSUER, self.issuer, self.steady))
        self.verifier = Verifier([trusted], remember=remember, clock=lambda: self.now)

    def check(self, token: Secret) -> object:
        return self.verifier.check(call(token), READ)

    def __len__(self) -> int:
        return 0 if self.verifier._verified is None else len(self.verifier._verified)


def test_without_being_asked_nothing_is_remembered(mint: TokenMaker) -> None:
    scene = Scene(mint, remember=0)
    assert isinstance(scene.check(mint.good()), Principal)
    assert scene.verifier._verified is None


def test_a_token_that_was_verified_is_known_again(mint: TokenMaker) -> None:
    scene = Scene(mint)
    first = scene.check(mint.good())
    assert isinstance(first, Principal)
    assert scene.check(mint.good()) is first
    assert len(scene) == 1


def test_a_remembered_token_ends_when_it_ends(mint: TokenMaker) -> None:
    """Without the leeway: then it is judged anew, and passes for as long as any other."""
    scene = Scene(mint)
    first = scene.check(mint.good())
    scene.now = NOW + HOUR
    again = scene.check(mint.good())
    assert isinstance(again, Principal)
    assert again is not first
    scene.now = NOW + HOUR + timedelta(seconds=30)
    assert error_of(scene.check(mint.good())) == (401, "invalid_token")  # type: ignore[arg-type]


def test_a_key_that_is_taken_back_takes_its_remembered_tokens_along(mint: TokenMaker) -> None:
    scene = Scene(mint)
    assert isinstance(scene.check(mint.good()), Principal)
    scene.issuer.keys = [mint.other_key]
    scene.steady.at += timedelta(minutes=11)
    assert error_of(scene.check(mint.good())) == (401, "invalid_token")  # type: ignore[arg-type]


def test_keys_that_come_again_as_they_were_forget_nothing(mint: TokenMaker) -> None:
    scene = Scene(mint)
    first = scene.check(mint.good())
    scene.steady.at += timedelta(minutes=11)
    scene.check(mint.good())
    assert scene.issuer.key_fetches == 2
    assert scene.check(mint.good()) == first


def test_an_issuer_that_is_silent_for_too_long_closes_the_memory_too(mint: TokenMaker) -> None:
    """[RS-ASVS-02]."""
    scene = Scene(mint)
    long = mint.of(replace(mint.claims(), expires_at=NOW + timedelta(days=9)))
    assert isinstance(scene.check(long), Principal)
    scene.issuer.silent = True
    scene.steady.at += timedelta(days=2)
    assert error_of(scene.check(long)) == (503, "temporarily_unavailable")  # type: ignore[arg-type]


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flawed_token_is_never_remembered(mint: TokenMaker, flaw: str) -> None:
    scene = Scene(mint)
    for _ in range(2):
        assert not isinstance(scene.check(FLAWS[flaw](mint)), Principal)
    is_bound = flaw in {"bound to a key", "bound to a certificate"}
    assert len(scene) == int(is_bound), "what is bound is remembered, and its binding checked each time"


def test_scopes_are_checked_each_time(mint: TokenMaker) -> None:
    """[RS-6749-01]."""
    scene = Scene(mint)
    assert isinstance(scene.check(mint.good()), Principal)
    other = mint.saying({"scope": "other"})
    for _ in range(2):
        assert error_of(scene.check(other)) == (403, "insufficient_scope")  # type: ignore[arg-type]


def test_no_more_is_kept_than_agreed_and_what_is_used_stays() -> None:
    memory: ExpiringCache[int] = ExpiringCache(10)
    until = NOW + HOUR
    memory.put(b"used", -1, until)
    for number in range(1000):
        memory.put(str(number).encode(), number, until)
        assert memory.get(b"used", NOW) == -1
        assert len(memory) <= 10
    assert memory.get(b"0", NOW) is None
    assert memory.get(b"999", NOW) == 999
    memory.clear()
    assert len(memory) == 0


def test_what_is_over_is_forgotten_when_it_is_looked_for() -> None:
    memory: ExpiringCache[int] = ExpiringCache(10)
    memory.put(b"a", 1, NOW)
    assert memory.get(b"a", NOW - timedelta(microseconds=1)) == 1
    assert memory.get(b"a", NOW) is None
    assert len(memory) == 0


def test_a_memory_for_nothing_keeps_nothing() -> None:
    memory: ExpiringCache[int] = ExpiringCache(0)
    memory.put(b"a", 1, NOW + HOUR)
    assert memory.get(b"a", NOW) is None


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=100), st.integers(1, 12))
def test_whatever_is_put_what_comes_back_is_what_was_put_last(steps: list[tuple[int, int]], most: int) -> None:
    memory: ExpiringCache[int] = ExpiringCache(most)
    truth: dict[bytes, tuple[int, datetime]] = {}
    for number, (name, life) in enumerate(steps):
        key, now = str(name).encode(), NOW + timedelta(seconds=number)
        found = memory.get(key, now)
        assert found is None or (truth[key][0] == found and now < truth[key][1])
        memory.put(key, number, now + timedelta(seconds=life))
        truth[key] = number, now + timedelta(seconds=life)
        assert len(memory) <= most + most % 2


def test_many_threads_may_share_a_memory() -> None:
    memory: ExpiringCache[int] = ExpiringCache(64)

    def work(seed: int) -> bool:
        for number in range(2000):
            key = str((seed * 7 + number) % 100).encode()
            memory.put(key, int(key), NOW + HOUR)
            found = memory.get(key, NOW)
            if found not in {None, int(key)}:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))

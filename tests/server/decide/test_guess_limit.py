"""The odds of guessing a user code, as arithmetic and by a simulated botnet."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.server.decide.throttle import CODES, GuessLimit, refill, spend, time_until_try
from keyfob.testing.fake_time import NOON

LIFE = timedelta(minutes=15)
SECOND = timedelta(seconds=1)


@dataclass
class Guesses:
    """The shared budget, as `/activate` uses it, and the odds of each guess that it let through."""

    limit: GuessLimit
    taken: list[tuple[datetime, float]] = field(default_factory=list[tuple[datetime, float]])

    def __post_init__(self) -> None:
        self.bucket = refill(None, self.limit.size, self.limit.span, NOON)

    def guess(self, live: int, now: datetime) -> bool:
        """Guess once from an address that has never guessed. Return whether the code is looked up."""
        if live > self.limit.most_live:
            return False
        cost = self.limit.cost(live)
        self.bucket = refill(self.bucket, self.limit.size, self.limit.span, now)
        if time_until_try(self.bucket, self.limit.size, self.limit.span, cost):
            return False
        self.bucket = spend(self.bucket, cost)
        self.taken.append((now, live / CODES))
        return True

    def worst(self) -> float:
        """Return the highest sum of odds within any span of one code's lifetime."""
        sums = (
            sum(odds for at, odds in self.taken if start <= at <= start + self.limit.lifetime)
            for start, _ in self.taken
        )
        return max(sums, default=0)


@pytest.mark.parametrize("odds", [2.0**-32, 2.0**-30, 1e-6, 1e-3])
def test_burst_and_refill_together_keep_the_odds(odds: float) -> None:
    """[AS-8628-07]."""
    limit = GuessLimit.of(odds, LIFE)
    assert limit.size + limit.regained <= odds * CODES * (1 + 1e-9)
    assert limit.span > LIFE


def test_one_guess_is_always_allowed_and_comes_back_within_the_life_of_a_code() -> None:
    assert GuessLimit.of(0, LIFE) == GuessLimit(1, 1.0, LIFE)
    assert GuessLimit.of(0, LIFE).span == LIFE


@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 40)), max_size=120),
    st.sampled_from([2.0**-32, 2.0**-29, 2.0**-26]),
)
def test_no_sequence_of_guesses_and_live_codes_beats_the_odds(events: list[tuple[int, int]], odds: float) -> None:
    """[AS-8628-07] [FS-24]: each event is a pause in seconds, and how many codes are live at the guess after it."""
    guesses, now = Guesses(GuessLimit.of(odds, LIFE)), NOON
    for pause, live in events:
        now += pause * SECOND
        guesses.guess(live, now)
    assert guesses.worst() <= odds * (1 + 1e-9)


def test_a_botnet_of_ten_thousand_addresses_stays_below_the_odds_for_a_day() -> None:
    """[AS-8628-07] [FS-24]: it guesses without a pause, from a new address each time, while codes come and go."""
    chance, guesses, now = random.Random(8628), Guesses(GuessLimit.of(2.0**-32, LIFE)), NOON
    live, looked_up = 1, 0
    for _ in range(10_000):
        now += timedelta(seconds=chance.expovariate(1 / 8.64))
        live = max(0, live + chance.choice((-1, 0, 1)) + chance.choice((0, 0, 0, 0, 0, 0, 0, 0, 0, -live // 2)))
        looked_up += guesses.guess(live, now)
    assert guesses.worst() <= 2.0**-32
    assert 90 < looked_up < 600, "the attacker was not just shut out by the simulation"


def test_the_old_budget_is_seen_to_break_the_odds() -> None:
    """The control: five guesses that come back within one life, whatever is live, were too many."""
    old = Guesses(GuessLimit(5, 5.0, LIFE))
    old.limit = GuessLimit(5, 5.0, LIFE)
    now = NOON
    while now < NOON + timedelta(hours=2):
        old.bucket = refill(old.bucket, 5, LIFE, now)
        if old.bucket.left >= 1:
            old.bucket = spend(old.bucket)
            old.taken.append((now, 100 / CODES))
        now += 10 * SECOND
    assert old.worst() > 100 * 2.0**-32

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.session.freshness import LogIn, Refresh, Use, judge
from keyfob.protocol.secret import Secret
from keyfob.testing.fake_time import NOON
from tests.client.scripts import stored

MINUTE = timedelta(minutes=1)


def test_nothing_held_needs_a_login() -> None:
    assert judge(None, NOON) == LogIn()


def test_a_token_is_used_as_long_as_it_lives_long_enough() -> None:
    assert judge(stored(expires_in=60), NOON, MINUTE) == Use(Secret("at-1"))
    assert judge(stored(expires_in=59), NOON, MINUTE) == Refresh(Secret("rt-1"))
    assert judge(stored(expires_in=59, refresh=None), NOON, MINUTE) == LogIn()


def test_a_token_of_unknown_life_is_used_until_an_api_says_otherwise() -> None:
    """[C-6749-18]"""
    assert judge(stored(expires_in=None), NOON, timedelta(days=1)) == Use(Secret("at-1"))


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**5), st.booleans())
def test_a_token_that_is_used_always_lives_as_long_as_was_asked(left: int, wanted: int, renews: bool) -> None:
    found = judge(stored(expires_in=left, refresh="rt-1" if renews else None), NOON, timedelta(seconds=wanted))

    assert isinstance(found, Use) == (left >= wanted)
    assert isinstance(found, LogIn) == (left < wanted and not renews)

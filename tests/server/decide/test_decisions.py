"""The tenant's decisions alone: records in, answers out."""

from __future__ import annotations

import hmac
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.errors import Misuse
from keyfob.protocol.fields import Fields
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.serve import Api, Application, RefreshPolicy, TenantConfig
from keyfob.server.decide.authorization_facts import RequestFacts
from keyfob.server.decide.device import (
    Answer,
    Issue,
    Pace,
    Undecided,
    approve,
    decide_pace,
    decide_poll,
    is_open,
    is_right_challenge,
    may_approve,
    move,
)
from keyfob.server.decide.presented import LATE, Account, PresentedRefreshToken
from keyfob.server.decide.refresh import Refuse, Renew, decide_refresh
from keyfob.server.decide.throttle import (
    Failures,
    count_request,
    guess_budget,
    network_of,
    password_wait,
    refill,
    spend,
    time_until_try,
)
from keyfob.server.decide.user_code import ALPHABET, read_user_code, write_user_code
from keyfob.server.keyed_hash import RefreshParts, keyed_hash, read_refresh
from keyfob.server.records import MOVES, Stage
from keyfob.testing.example_records import LOGIN, REFRESH, USER
from keyfob.testing.example_tenant import example_config
from keyfob.testing.fake_time import NOON

SECOND = timedelta(seconds=1)
INTERVAL = timedelta(seconds=5)
DEFAULT = RefreshPolicy()


@given(st.binary(min_size=64, max_size=64))
def test_a_code_that_was_written_is_read_again(random: bytes) -> None:
    """[AS-8628-09]."""
    try:
        code = write_user_code(random)
    except Misuse:
        assert sum(byte < 240 for byte in random) < 8
        return
    assert read_user_code(code) == code
    assert read_user_code(code.lower().replace("-", " ")) == code


def test_every_letter_of_a_code_is_as_likely_as_any_other() -> None:
    drawn = Counter(write_user_code(bytes([byte] * 8))[0] for byte in range(240))
    assert set(drawn) == set(ALPHABET)
    assert set(drawn.values()) == {12}


@given(st.text(max_size=200))
def test_any_text_is_a_code_or_none(typed: str) -> None:
    code = read_user_code(typed)
    assert code is None or read_user_code(code) == code


@pytest.mark.parametrize("stage", get_args(Stage))
def test_only_the_moves_of_the_table_are_made(stage: Stage) -> None:
    for target in get_args(Stage):
        if target in MOVES[stage]:
            assert move(replace(LOGIN, stage=stage), target).stage == target
        else:
            with pytest.raises(Misuse):
                move(replace(LOGIN, stage=stage), target)


@pytest.mark.parametrize(
    ("stage", "kind"),
    [("waiting", Undecided), ("confirmed", Undecided), ("approved", Issue), ("denied", Answer), ("redeemed", Answer)],
)
def test_a_poll_gets_what_was_decided(stage: Stage, kind: type) -> None:
    """[AS-8628-02]."""
    assert isinstance(decide_poll(replace(LOGIN, stage=stage), "program", NOON), kind)
    assert decide_poll(replace(LOGIN, stage=stage), "another", NOON) == Answer("code_unknown")


@given(st.lists(st.floats(0.1, 30), min_size=1, max_size=40))
def test_a_program_that_keeps_the_pace_is_never_slowed_down_again(gaps: list[float]) -> None:
    """[AS-8628-03]: whatever it did before."""
    pace, now = Pace(None, INTERVAL), NOON
    for gap in gaps:
        now += timedelta(seconds=gap)
        _, pace = decide_pace(pace, now)
    for _ in range(10):
        now += pace.interval
        outcome, pace = decide_pace(pace, now)
        assert outcome == "pending"


@pytest.mark.parametrize(("gap", "outcome"), [(3.99, "slow_down"), (4.0, "pending"), (5.0, "pending")])
def test_a_fifth_too_early_is_forgiven(gap: float, outcome: str) -> None:
    pace = Pace(NOON, INTERVAL)
    assert decide_pace(pace, NOON + timedelta(seconds=gap))[0] == outcome


def shown(generation: int, secret: bytes) -> PresentedRefreshToken:
    return PresentedRefreshToken(generation, secret.ljust(32), "program")


def decide(
    login: object, token: PresentedRefreshToken, fresh: bytes = b"fresh", policy: RefreshPolicy = DEFAULT
) -> Renew | Refuse:
    return decide_refresh(login, token, policy, NOON, fresh.ljust(32))  # type: ignore[arg-type]


def test_a_lost_answer_is_mended_with_the_same_token() -> None:
    """[AS-9700-13] [FS-13]."""
    first = decide(REFRESH, shown(1, b"current"), b"two")
    assert isinstance(first, Renew)
    again = decide(first.login, shown(1, b"current"), b"two")
    assert isinstance(again, Renew)
    assert again.login == replace(first.login, repeats=1)
    assert isinstance(decide(again.login, shown(2, b"two"), b"three"), Renew)


def test_the_old_token_is_dead_once_its_successor_was_used() -> None:
    """[AS-9700-13]."""
    one = decide(REFRESH, shown(1, b"current"), b"two")
    assert isinstance(one, Renew)
    two = decide(one.login, shown(2, b"two"), b"three")
    assert isinstance(two, Renew)
    reused = decide(two.login, shown(1, b"current"))
    assert isinstance(reused, Refuse)
    assert reused.reason == "reused"
    assert isinstance(decide(reused.login, shown(3, b"three")), Refuse)


@pytest.mark.parametrize(("leeway", "window"), [(0, 60), (30, 60), (90, 90)])
def test_the_token_before_is_traded_for_a_minute_or_the_leeway(leeway: int, window: int) -> None:
    """[AS-9700-13] [FS-13]."""
    policy = RefreshPolicy(leeway=timedelta(seconds=leeway))
    one = decide(REFRESH, shown(1, b"current"), b"two", policy)
    assert isinstance(one, Renew)
    just_in_time, late = NOON + timedelta(seconds=window - 1), NOON + timedelta(seconds=window)
    again = decide_refresh(one.login, shown(1, b"current"), policy, just_in_time, b"two".ljust(32))
    assert isinstance(again, Renew)
    assert again.login.rotated_at == NOON
    refused = decide_refresh(one.login, shown(1, b"current"), policy, late, b"two".ljust(32))
    assert isinstance(refused, Refuse)
    assert refused.reason == "reused"
    assert refused.login is not None
    assert refused.login.has_ended


def test_the_second_to_last_token_ends_the_family_even_within_the_leeway() -> None:
    """[AS-9700-13]."""
    policy = RefreshPolicy(leeway=timedelta(seconds=30))
    one = decide(REFRESH, shown(1, b"current"), b"two", policy)
    assert isinstance(one, Renew)
    two = decide(one.login, shown(2, b"two"), b"three", policy)
    assert isinstance(two, Renew)
    reused = decide(two.login, shown(1, b"current"), b"x", policy)
    assert isinstance(reused, Refuse)
    assert reused.login is not None


def test_a_token_that_does_not_rotate_stays_and_hands_out_none() -> None:
    kept = decide(REFRESH, shown(1, b"current"), b"two", RefreshPolicy(rotates=False))
    assert isinstance(kept, Renew)
    assert not kept.rotates
    assert kept.login.current_hashes == REFRESH.current_hashes
    switched_on = decide(kept.login, shown(1, b"current"), b"two", RefreshPolicy())
    assert isinstance(switched_on, Renew)
    assert switched_on.rotates


@given(st.text(max_size=120))
def test_any_text_is_one_of_our_refresh_tokens_or_none(text: str) -> None:
    assert read_refresh(Secret(text), b"k" * 32) is None


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**32 - 1), st.binary(min_size=20, max_size=20))
def test_a_refresh_token_is_read_with_its_own_key_only(login_id: bytes, generation: int, secret: bytes) -> None:
    parts = RefreshParts(login_id, generation, secret)
    token = parts.write(b"k" * 32)
    assert read_refresh(token, b"k" * 32) == parts
    assert read_refresh(token, b"x" * 32) is None


@given(st.binary(min_size=16, max_size=80), st.lists(st.text(), max_size=4))
def test_a_keyed_hash_is_an_hmac_of_its_own(key: bytes, texts: list[str]) -> None:
    """Its state is copied; no hash leaves anything in it, and none that is stored changes."""
    for text in (*texts, *texts):
        expected = hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")
        assert keyed_hash(key, text.encode("utf-8", "surrogatepass")) == expected


def test_the_guess_budget_keeps_the_odds() -> None:
    """[AS-8628-07]."""
    for odds in (2.0**-32, 2.0**-30, 2.0**-20):
        assert guess_budget(odds) / 20**8 <= odds
    assert (guess_budget(0), guess_budget(2.0**-32)) == (1, 5)


def test_tries_come_back_evenly() -> None:
    span = timedelta(minutes=15)
    bucket = spend(spend(spend(refill(None, 3, span, NOON))))
    assert time_until_try(bucket, 3, span) == timedelta(minutes=5)
    assert time_until_try(refill(bucket, 3, span, NOON + timedelta(minutes=5)), 3, span) == timedelta()
    assert refill(bucket, 3, span, NOON + timedelta(days=1)).left == 3


@given(
    st.integers(1, 400),
    st.sampled_from([timedelta(minutes=1), timedelta(minutes=15), timedelta(seconds=7)]),
    st.lists(st.one_of(st.just(0), st.integers(0, 2_000_000), st.integers(0, 10**9)), max_size=60),
)
def test_one_integer_limits_a_caller_as_a_bucket_does(size: int, span: timedelta, pauses: list[int]) -> None:
    """The bucket is the slow text of the same rule, beside which the fast one is held."""
    bucket, full_at, now = None, 0, NOON
    for pause in pauses:
        now += timedelta(microseconds=pause)
        bucket = refill(bucket, size, span, now)
        counted = count_request(full_at, size, span, now)
        full_at = counted.full_at
        expected = time_until_try(bucket, size, span)
        if abs(bucket.left - round(bucket.left)) < 1e-6:  # the float may be on the other side of a whole try
            assert abs(counted.wait - expected) <= span / size
        else:
            assert (counted.wait > timedelta()) == (expected > timedelta())
            assert abs(counted.wait - expected) <= timedelta(microseconds=2)
        if not counted.wait:
            bucket = spend(bucket)
        assert abs(counted.left - bucket.left) < 1.001
        assert abs(full_at / 1e9 - now.timestamp() - (size - bucket.left) * span.total_seconds() / size) < 1e-4


def test_a_limit_of_a_billion_a_minute_is_exact() -> None:
    """A request takes 60 nanoseconds there, of which a float of seconds since 1970 has none."""
    full_at = 0
    for number in range(1, 1001):
        counted = count_request(full_at, 10**9, timedelta(minutes=1), NOON)
        full_at = counted.full_at
        assert (counted.left, counted.wait) == (10**9 - number, timedelta())
    assert full_at == int(NOON.timestamp()) * 10**9 + 60_000


def test_a_refused_request_waits_and_is_not_counted() -> None:
    """And the shortest wait is not rounded to none."""
    full_at, span = 0, timedelta(minutes=1)
    for left in (2, 1, 0):
        full_at, wait, found = count_request(full_at, 3, span, NOON)
        assert (wait, found) == (timedelta(), left)
    for _ in range(5):
        full_at, wait, found = count_request(full_at, 3, span, NOON + timedelta(seconds=5))
        assert (wait, found) == (timedelta(seconds=15), 0)
    assert count_request(full_at, 3, span, NOON + timedelta(seconds=20)).wait == timedelta()
    many = 10**9
    whole = count_request(0, many, span, NOON).full_at + (many - 1) * 60
    assert count_request(whole, many, span, NOON).wait == timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("back", "seconds"),
    [
        (timedelta(milliseconds=1), 20),
        (timedelta(minutes=1), 20),
        (timedelta(minutes=1, microseconds=1), 0),
        (timedelta(days=1), 0),
    ],
)
def test_a_clock_that_is_set_back_locks_nobody_out(back: timedelta, seconds: int) -> None:
    """By a little, as time servers do it, it gives no requests away either."""
    span = timedelta(minutes=1)
    full_at = 0
    for _ in range(3):
        full_at = count_request(full_at, 3, span, NOON).full_at
    assert count_request(full_at, 3, span, NOON - back).wait == seconds * SECOND


@pytest.mark.parametrize(("count", "seconds"), [(4, 0), (5, 1), (6, 2), (10, 32), (50, 900)])
def test_the_wait_for_a_password_doubles_up_to_a_quarter_of_an_hour(count: int, seconds: int) -> None:
    assert password_wait(Failures(count, NOON), NOON) == seconds * SECOND
    assert password_wait(Failures(count, NOON), NOON + timedelta(minutes=15)) == timedelta()


READY = {"applications": (Application("a", "A"),), "apis": (Api("https://api.example/", "Api"),)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://login.example/"},
        {"issuer": "https://login.example"},
        {"issuer": "https://login.example/?x=1"},
        {"issuer": "login.example/"},
        {"colour": "red; } body { display: none"},
        {"logo": "javascript:alert(1)"},
        {"default_audience": "https://other.example/"},
        {"device_lifetime": timedelta()},
        {"device_requests": 0},
        {"code_lifetime": timedelta(minutes=11)},
    ],
)
def test_an_unsafe_setting_stops_the_start(wrong: dict[str, object]) -> None:
    with pytest.raises(Misuse):
        TenantConfig(**{"issuer": "https://login.example/", **READY, **wrong})  # type: ignore[arg-type]


def test_unknown_scopes_are_dropped_and_offline_access_is_the_apis_to_allow() -> None:
    config = TenantConfig("https://login.example/", **READY)  # type: ignore[arg-type]
    api = Api("x", "X", {"read": "read"}, allow_offline_access=False)
    assert config.grantable(Scope.read("openid read write offline_access"), api) == Scope.read("openid read")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "", True),
    ],
)
def test_an_ipv6_network_counts_as_one_guesser(one: str, other: str, *, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:2::3", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:8000::", "2001:db8:0:1::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unix", "unix"),
    ],
)
def test_a_network_is_an_ipv4_address_or_64_bits_of_ipv6(peer: str, network: str) -> None:
    assert network_of(peer) == network


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("BCDF-GHJK", "BCDF-GHJK"),
        (" b c d f g h j k! ", "BCDF-GHJK"),
        ("BCDF-GHJKA", None),
        ("BCDF-GHJ", None),
        ("BCDF-GHJKL", None),
        ("1BCDF-GHJK", None),
        ("the code is bcdf-ghjk", "BCDF-GHJK"),
        ("BCDF-GHJK or LMNP-QRST", None),
        ("https://login.example/activate?user_code=BCDF-GHJK", "BCDF-GHJK"),
    ],
)
def test_a_code_is_eight_letters_alone_or_the_only_one_in_a_text(typed: str, code: str | None) -> None:
    assert read_user_code(typed) == code
    assert read_user_code(" " * 292 + "BCDFGHJK") == "BCDF-GHJK"
    assert read_user_code(" " * 293 + "BCDFGHJK") is None


def test_too_few_random_bytes_make_no_code() -> None:
    with pytest.raises(Misuse, match="randomness"):
        write_user_code(b"\xf0" * 30 + b"\x01" * 7)


def test_a_login_that_does_not_exist_cannot_be_approved() -> None:
    assert not may_approve(None, b"session", NOON)
    assert not is_open(None, NOON)


def test_an_approval_names_the_user_and_the_time_of_the_login() -> None:
    login = approve(replace(LOGIN, stage="confirmed"), "auth0|1", NOON - SECOND)
    assert (login.stage, login.user_id, login.auth_time) == ("approved", "auth0|1", NOON - SECOND)


@pytest.mark.parametrize(
    ("challenge", "method", "is_right"),
    [
        (None, None, True),
        (None, "S256", False),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "S256", True),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "plain", False),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", None, False),
        ("short", "S256", False),
    ],
)
def test_a_challenge_is_absent_or_s256_and_well_formed(
    challenge: str | None, method: str | None, *, is_right: bool
) -> None:
    """RFC 9700 §2.1.1."""
    assert is_right_challenge(challenge, method) is is_right


def test_an_approved_login_gets_no_tokens_for_an_account_that_was_closed_since() -> None:
    login = replace(LOGIN, stage="approved")
    open_account = Account(USER, READY["apis"][0])  # type: ignore[arg-type]
    assert isinstance(decide_poll(login, "program", NOON, account=open_account), Issue)
    for closed in (replace(open_account, user=None), replace(open_account, api=None)):
        assert isinstance(decide_poll(login, "program", NOON, account=closed), Answer)
    blocked = replace(open_account, user=replace(USER, is_blocked=True))
    assert isinstance(decide_poll(login, "program", NOON, account=blocked), Answer)


def test_an_approval_in_the_last_second_reaches_a_slow_client() -> None:
    """And nobody later; a login that is not approved ends when it expires."""
    approved, last = replace(LOGIN, stage="approved"), LOGIN.expires_at + LATE
    assert isinstance(decide_poll(approved, "program", last - timedelta(microseconds=1)), Issue)
    assert decide_poll(approved, "program", last) == Answer("expired", replace(approved, stage="lapsed"))
    assert isinstance(decide_poll(LOGIN, "program", LOGIN.expires_at - timedelta(microseconds=1)), Undecided)
    assert decide_poll(LOGIN, "program", LOGIN.expires_at) == Answer("expired", replace(LOGIN, stage="lapsed"))
    assert timedelta(minutes=1) == LATE


def test_a_number_is_asked_for_and_three_wrong_ones_end_the_login() -> None:
    login = replace(LOGIN, stage="approved", number_hash=b"right")
    assert decide_poll(login, "program", NOON) == Undecided("number_missing")
    assert isinstance(decide_poll(login, "program", NOON, number_hash=b"right"), Issue)
    for tries in (1, 2):
        found = decide_poll(login, "program", NOON, number_hash=b"wrong")
        assert found == Answer("number_wrong", replace(login, number_tries=tries))
        login = replace(login, number_tries=tries)
    found = decide_poll(login, "program", NOON, number_hash=b"wrong")
    assert found == Answer("number_wrong", replace(login, number_tries=3, stage="denied"))


@pytest.mark.parametrize(
    ("stage", "number", "outcome"),
    [("waiting", None, "slow_down"), ("confirmed", None, "slow_down"), ("approved", b"number", "slow_down")],
)
def test_an_early_poll_is_slowed_down_unless_there_is_something_to_say(
    stage: Stage, number: bytes | None, outcome: str
) -> None:
    login = replace(LOGIN, stage=stage, number_hash=number)
    assert decide_poll(login, "program", NOON, pace=Pace(NOON, INTERVAL)) == Undecided(outcome)  # type: ignore[arg-type]
    ready = replace(LOGIN, stage="approved")
    assert isinstance(decide_poll(ready, "program", NOON, pace=Pace(NOON, INTERVAL)), Issue)


def test_only_the_session_that_confirmed_a_login_approves_it_and_only_until_it_expires() -> None:
    login = replace(LOGIN, stage="confirmed", session_hash=b"session")
    assert may_approve(login, b"session", LOGIN.expires_at - timedelta(microseconds=1))
    assert not may_approve(login, b"session", LOGIN.expires_at)
    assert not may_approve(login, b"another", NOON)
    assert not may_approve(replace(login, stage="waiting"), b"session", NOON)
    assert not may_approve(replace(login, stage="approved"), b"session", NOON)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_an_authorization_request_whose_names_are_no_text_is_unreadable(name: str) -> None:
    config = example_config("https://login.example/")
    assert RequestFacts(config, Fields({name: 7}, "request")).is_unreadable()
    assert not RequestFacts(config, Fields({name: "x"}, "request")).is_unreadable()

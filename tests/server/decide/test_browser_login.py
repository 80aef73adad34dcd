"""A login in a browser: its steps, and what each needs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.errors import Malformed, Misuse
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.server.decide.browser_login import (
    AFTER_PASSWORD,
    LIFETIME,
    PAGE_OF,
    STEPS,
    BrowserLogin,
    Facts,
    Goal,
    Step,
    advance,
    begin_device,
    begin_for_user,
    begin_request,
    belongs_to,
    ending,
    has_lapsed,
)
from keyfob.server.endpoints.routes import ROUTES
from keyfob.server.records import DeviceLogin, Stage

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
FACTS = Facts(session_hash=b"session", user_id="auth0|1", factor_hash=b"factor")
TEXTS = st.text(max_size=20)
HASHES = st.none() | st.binary(min_size=1, max_size=32)
MAPPINGS = st.none() | st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=3)
LOGINS = st.builds(
    BrowserLogin,
    step=st.sampled_from(list(STEPS)),
    began_at=st.just(NOON),
    expires_at=st.just(NOON + LIFETIME),
    device_hash=HASHES,
    request=MAPPINGS,
    goal=st.sampled_from(get_args(Goal)),
    user_code=TEXTS,
    session_hash=HASHES,
    user_id=TEXTS,
    factor_hash=HASHES,
    recovery_code=st.none() | st.text(min_size=1, max_size=20).map(Secret),
    answer=MAPPINGS,
    email=TEXTS,
    name=TEXTS,
    way=TEXTS,
    problem=TEXTS,
    count=st.integers(0, 9),
    status=st.sampled_from([200, 400, 403, 429]),
    told=TEXTS,
    typed_by=HASHES,
    number=TEXTS,
    end_link=TEXTS,
)


@given(LOGINS)
def test_a_login_comes_back_as_it_was_written(login: BrowserLogin) -> None:
    assert BrowserLogin.read(read_json(json.dumps(login.write()).encode(), "page")) == login


@given(LOGINS, st.sampled_from(list(STEPS)))
def test_only_a_step_of_the_table_follows(login: BrowserLogin, step: Step) -> None:
    """[FS-01]: and from the password on, each step names a session, a user and what the password began."""
    try:
        after = advance(login, step)
    except Misuse:
        needs = step in AFTER_PASSWORD or step in {"consent", "answered", "denied"}
        assert step not in STEPS[login.step] or needs
        return
    assert step in STEPS[login.step]
    assert after.step == step
    cleared = (after.problem, after.count, after.status, after.told, after.recovery_code, after.answer)
    assert cleared == ("", 0, 200, "", None, None)
    if step in AFTER_PASSWORD:
        assert after.user_id
        assert after.factor_hash
        assert after.session_hash


def test_the_texts_and_secrets_of_a_step_end_with_it() -> None:
    login = replace(
        begin_for_user("login", NOON), problem="x", count=1, status=400, told="y", recovery_code=Secret("z"),
        answer={"a": "b"}, email="a@b.example",
    )  # fmt: skip
    assert advance(login, "login") == replace(begin_for_user("login", NOON), email="a@b.example")
    assert advance(login, "denied").step == "denied"


@pytest.mark.parametrize("step", sorted(AFTER_PASSWORD))
def test_no_step_after_the_password_is_reached_without_it(step: Step) -> None:
    """[FS-01]."""
    for begun in ("enter", "compare", "consent"):
        login = replace(begin_for_user("enter", NOON), step=begun)  # type: ignore[arg-type]
        with pytest.raises(Misuse):
            advance(login, step, **FACTS)


def test_every_step_has_a_page_and_every_page_is_there() -> None:
    assert set(STEPS) == set(PAGE_OF)
    assert {"GET" in ROUTES[page][1] for page in PAGE_OF.values()} == {True}
    reached = {after for row in STEPS.values() for after in row}
    assert reached | {"enter"} == set(STEPS)


def test_a_login_belongs_to_its_session_and_lapses() -> None:
    login = begin_for_user("login", NOON)
    assert belongs_to(login, b"any")
    bound = advance(login, "factor", **FACTS)
    assert belongs_to(bound, b"session")
    assert not belongs_to(bound, b"another")
    assert not has_lapsed(login, NOON + LIFETIME - timedelta(seconds=1))
    assert has_lapsed(login, NOON + LIFETIME)


@pytest.mark.parametrize(
    ("stage", "session", "step"),
    [
        ("approved", b"session", "allowed"), ("redeemed", b"session", "allowed"), ("denied", b"session", "denied"),
        ("approved", b"another", None), ("confirmed", b"session", None), ("lapsed", b"session", None),
    ],
)  # fmt: skip
def test_only_the_session_that_decided_is_led_to_the_end(stage: Stage, session: bytes, step: str | None) -> None:
    """[FP-02]."""
    device = DeviceLogin(b"d", b"u", "cli", "api", Scope(), "peer", NOON, NOON + LIFETIME, stage, session)
    found = ending(replace(begin_for_user("enter", NOON), device_hash=b"d"), device, b"session", NOON)
    assert (None if found is None else found.step) == step


def test_the_end_of_a_login_is_that_of_its_device_and_session_for_an_hour() -> None:
    begun = replace(begin_for_user("enter", NOON - timedelta(minutes=9)), device_hash=b"d", email="a@b.example")
    device = DeviceLogin(b"d", b"u", "cli", "api", Scope(), "peer", NOON, NOON + LIFETIME, "approved", b"session")
    assert ending(begun, device, b"session", NOON) == BrowserLogin(
        step="allowed", began_at=begun.began_at, expires_at=NOON + timedelta(hours=1), device_hash=b"d",
        session_hash=b"session",
    )  # fmt: skip


def test_a_login_begins_with_what_is_known_of_it() -> None:
    device = DeviceLogin(b"d", b"u", "cli", "api", Scope(), "peer", NOON, NOON + timedelta(minutes=5))
    assert begin_device(device, "BCDF-GHJK", NOON, b"typed") == BrowserLogin(
        step="compare", began_at=NOON, expires_at=device.expires_at, device_hash=b"d", user_code="BCDF-GHJK",
        typed_by=b"typed",
    )  # fmt: skip
    assert begin_for_user("enter", NOON, "BCDF-GHJK", typed_by=b"typed", goal="enrolment") == BrowserLogin(
        step="enter", began_at=NOON, expires_at=NOON + LIFETIME, user_code="BCDF-GHJK", typed_by=b"typed",
        goal="enrolment",
    )  # fmt: skip
    request = begin_request({"a": "b"}, "consent", NOON)
    assert request == BrowserLogin(step="consent", began_at=NOON, expires_at=NOON + LIFETIME, request={"a": "b"})
    assert not request.is_for_the_user
    assert not begin_device(device, "", NOON).is_for_the_user
    assert begin_for_user("login", NOON).is_for_the_user
    assert [begin_for_user("login", NOON, goal=goal).is_enrolment for goal in ("enrolment", "code")] == [True, False]


def test_an_empty_login_is_written_with_no_more_than_its_step_and_times() -> None:
    login = begin_for_user("login", NOON)
    assert login.write() == {"step": "login", "began": NOON.timestamp(), "expires": (NOON + LIFETIME).timestamp()}


TIMES = {"began": 1, "expires": 2}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({}, "step"),
        ({"step": "x", **TIMES}, "step"),
        ({"step": "login"}, "began"),
        ({"step": "login", **TIMES, "device": "?"}, "device"),
        ({"step": "login", **TIMES, "request": "x"}, "request"),
    ],
)
def test_what_is_no_login_is_not_read(members: dict[str, object], field: str) -> None:
    with pytest.raises(Malformed) as refused:
        BrowserLogin.read(Fields(members, "page"))
    assert refused.value.field == field


@pytest.mark.parametrize("missing", FACTS)
def test_no_step_after_the_password_is_reached_without_all_that_proves_it(missing: str) -> None:
    login = BrowserLogin(step="login", began_at=NOON, expires_at=NOON + LIFETIME, request={})
    step = next(step for step in STEPS["login"] if step in AFTER_PASSWORD)
    with pytest.raises(Misuse, match="nobody has logged in"):
        advance(login, step, **(FACTS | {missing: type(FACTS[missing])()}))  # type: ignore[literal-required, typeddict-item]


@pytest.mark.parametrize("step", ["consent", "answered"])
def test_an_authorization_is_neither_asked_nor_answered_without_its_request(step: Step) -> None:
    before = next(one for one in STEPS if step in STEPS[one])
    with pytest.raises(Misuse, match="there is no authorization request"):
        advance(BrowserLogin(step=before, began_at=NOON, expires_at=NOON + LIFETIME), step, **FACTS)


def test_an_authorization_request_is_not_declined_as_a_device_is() -> None:
    before = next(one for one in STEPS if "denied" in STEPS[one])
    with pytest.raises(Misuse, match="declined at the client"):
        advance(BrowserLogin(step=before, began_at=NOON, expires_at=NOON + LIFETIME, request={}), "denied", **FACTS)

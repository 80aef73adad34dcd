"""What `keyfob agent` hands out, and to whom it says no."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.model.agent_messages import AgentAnswer, AgentRequest, write_error
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.handout import LONGEST, Offer, check_offer, choose_offer, hand_out
from keyfob.errors import KeyfobError, LoginRequired, Malformed, Misuse, Refused, Unreachable, VaultUnavailable
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.testing.fake_time import NOON
from tests.client.scripts import API, PROFILE

LOGIN = StoredLogin(
    issuer=PROFILE.issuer,
    client_id=PROFILE.client_id,
    audience=API,
    token_endpoint="https://login.example/token",
    revocation_endpoint="https://login.example/revoke",
    access_token=Secret("at-1"),
    expires_at=NOON + timedelta(hours=1),
    scope=Scope.of(["openid", "offline_access", "read:orders"]),
    obtained_at=NOON,
    refresh_token=Secret("rt-1"),
    proof_key=Secret("the-key"),
    nonce="the-nonce",
    session_id="the-session",
    subject="pat",
)
WORK = Profile("work", "https://work.example/", "cli", API, Scope.of(["read:orders"]))
OFFERS = (Offer(PROFILE), Offer(WORK))


def test_what_is_handed_out_contains_an_access_token_and_nothing_that_renews_or_ends_the_login() -> None:
    answer = hand_out(AgentRequest(), Offer(PROFILE), LOGIN, NOON)

    written = answer.write().decode()
    assert AgentAnswer.read(answer.write()) == answer
    assert answer.login.access_token == Secret("at-1")
    for secret in ("rt-1", "the-key", "the-nonce", "the-session", "revoke"):
        assert secret not in written


def test_the_login_is_chosen_by_whatever_the_request_names() -> None:
    assert choose_offer(AgentRequest(profile="work"), OFFERS).profile is WORK
    assert choose_offer(AgentRequest(issuer=PROFILE.issuer), OFFERS).profile is PROFILE
    assert choose_offer(AgentRequest(audience=API), OFFERS[:1]).profile is PROFILE


@pytest.mark.parametrize(
    "request_",
    [
        AgentRequest(),  # two fit
        AgentRequest(profile="other"),
        AgentRequest(profile="work", issuer=PROFILE.issuer),
        AgentRequest(audience="https://other.example"),
        AgentRequest(client_id="CLI"),
    ],
)
def test_a_request_that_fits_no_login_or_two_is_refused(request_: AgentRequest) -> None:
    with pytest.raises(Refused) as refused:
        choose_offer(request_, OFFERS)
    assert refused.value.code == "agent-refused"


@pytest.mark.parametrize(
    ("offer", "login", "code"),
    [
        (Offer(PROFILE, audiences=frozenset({"https://other.example"})), LOGIN, "agent-refused"),
        (Offer(PROFILE, scope=Scope.of(["read:stock"])), LOGIN, "agent-refused"),
        (Offer(PROFILE, scope=Scope()), LOGIN, "agent-refused"),
        (Offer(PROFILE), replace(LOGIN, token_type="DPoP"), "token-bound"),
        (Offer(PROFILE), replace(LOGIN, certificate="thumbprint"), "token-bound"),
    ],
)
def test_a_login_that_is_not_what_was_allowed_is_refused(offer: Offer, login: StoredLogin, code: str) -> None:
    with pytest.raises(Refused) as refused:
        check_offer(offer, login)
    assert refused.value.code == code


def test_the_scope_that_every_login_has_counts_for_nothing() -> None:
    check_offer(Offer(PROFILE, frozenset({API}), Scope.of(["read:orders"])), LOGIN)


@pytest.mark.parametrize("expires_at", [None, NOON + LONGEST + timedelta(seconds=1)])
def test_a_token_that_lives_for_ever_or_for_days_is_not_handed_out(expires_at: object) -> None:
    with pytest.raises(Refused, match="more than a day"):
        hand_out(AgentRequest(), Offer(PROFILE), replace(LOGIN, expires_at=expires_at), NOON)  # type: ignore[arg-type]


def test_the_lifetime_is_judged_on_the_servers_clock() -> None:
    login = replace(LOGIN, skew=timedelta(days=400), expires_at=NOON + timedelta(days=400, hours=1))
    assert hand_out(AgentRequest(), Offer(PROFILE), login, NOON).login.skew == timedelta(days=400)


def test_a_request_for_more_scope_than_the_login_has_is_refused() -> None:
    with pytest.raises(Refused, match="lacks scope: write:orders"):
        hand_out(AgentRequest(scope=Scope.of(["write:orders", "openid"])), Offer(PROFILE), LOGIN, NOON)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_an_error_of_ours(raw: bytes) -> None:
    with contextlib.suppress(Malformed, Misuse):
        AgentRequest.read(raw)


@given(st.dictionaries(st.sampled_from(["version", "profile", "login", "error", "is_resource"]),
                       st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers())))  # fmt: skip
def test_any_answer_is_read_or_an_error_of_ours(members: dict[str, object]) -> None:
    with contextlib.suppress(KeyfobError):
        AgentAnswer.read(json.dumps(members).encode())


@pytest.mark.parametrize("kind", [Refused, LoginRequired, Unreachable, VaultUnavailable, Misuse])
def test_an_error_reaches_the_program_as_itself(kind: type[KeyfobError]) -> None:
    with pytest.raises(kind) as raised:
        AgentAnswer.read(write_error(kind("it is so", hint="Do that.")))
    assert (raised.value.code, raised.value.exit) == (kind.default_code, kind.exit)
    assert raised.value.hint == "Where the agent runs: Do that."


def test_a_request_survives_its_writing() -> None:
    request = AgentRequest("work", "https://x.example/", "cli", API, Scope.of(["a", "b"]))
    assert AgentRequest.read(request.write()) == request

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.refresh import refresh
from keyfob.errors import KeyfobError, LoginRequired, Malformed, Refused, Unreachable
from keyfob.protocol.fields import read_form
from keyfob.protocol.grants import RefreshGrant, TokenRequest
from keyfob.protocol.http import Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.fake_time import NOON
from keyfob.testing.scripted_server import Answer, ScriptedWorld, Silence
from tests.client.scripts import CLIENT, PAGE, client, error, stored, tokens

OLD = Secret("rt-1")


def refreshed(answer: Answer) -> tuple[StoredLogin, ScriptedWorld]:
    world = ScriptedWorld({"/token": [answer]})
    done = run(refresh(world, stored(), OLD, client()))
    if done.problem is not None:
        raise done.problem
    return done.stored, world


def test_a_refresh_token_becomes_new_tokens() -> None:
    """[C-6749-09]"""
    fresh, world = refreshed(tokens(access_token="at-2", refresh_token="rt-2", expires_in=60))

    assert (fresh.access_token, fresh.refresh_token) == (Secret("at-2"), Secret("rt-2"))
    assert fresh.expires_at == NOON + timedelta(seconds=60)
    [request] = world.requests("/token")
    assert TokenRequest.read(read_form(request.body, "x")) == TokenRequest(CLIENT, RefreshGrant(OLD))


def test_no_scope_is_asked_for_that_was_not_granted() -> None:
    """[C-6749-22]"""
    _, world = refreshed(tokens())

    assert b"scope" not in world.requests("/token")[0].body


@pytest.mark.parametrize("sent", [None, ""])
def test_the_old_refresh_token_stays_when_no_new_one_comes(sent: str | None) -> None:
    """[C-6749-21]"""
    fresh, _ = refreshed(tokens(refresh_token=sent))

    assert fresh.refresh_token == OLD


def test_scope_stays_unless_the_server_says_otherwise() -> None:
    """[C-6749-17]"""
    assert refreshed(tokens())[0].scope == stored().scope
    assert refreshed(tokens(scope="openid"))[0].scope == Scope.of(["openid"])


def test_a_dead_refresh_token_needs_a_login_and_is_asked_for_once() -> None:
    """[C-6749-23]"""
    world = ScriptedWorld({"/token": [error("invalid_grant", 403)]})

    with pytest.raises(LoginRequired):
        run(refresh(world, stored(), OLD, client()))

    assert len(world.sent) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Response(500),
        Response(503),
        error("temporarily_unavailable", 503),
        Response(429),
        Silence(),
        Unreachable("gone"),
    ],
    ids=str,
)
def test_a_server_in_trouble_is_unreachable_and_no_reason_to_log_in(answer: Answer) -> None:
    """[C-6749-23]"""
    with pytest.raises(Unreachable):
        refreshed(answer)


@pytest.mark.parametrize("answer", [error("invalid_client", 401), error("invalid_request"), Response(404)], ids=str)
def test_another_refusal_is_no_reason_to_log_in(answer: Response) -> None:
    with pytest.raises(Refused) as caught:
        refreshed(answer)

    assert not isinstance(caught.value, LoginRequired)
    assert caught.value.hint


@pytest.mark.parametrize("answer", [PAGE, tokens(access_token=None), tokens(token_type="mac")], ids=str)
def test_an_answer_that_holds_no_tokens_is_malformed(answer: Response) -> None:
    """[C-6749-16] [C-6749-19]"""
    with pytest.raises(Malformed):
        refreshed(answer)


@given(st.integers(200, 599), st.binary(max_size=60))
def test_whatever_is_answered_ends_in_tokens_or_in_an_error_of_ours(status: int, body: bytes) -> None:
    with pytest.raises(KeyfobError):
        refreshed(Response(status, (), body))

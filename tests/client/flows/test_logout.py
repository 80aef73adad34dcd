from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.client.flows.logout import LoggedOut, log_out
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Malformed, Unreachable
from keyfob.protocol.fields import read_form
from keyfob.protocol.http import Response
from keyfob.protocol.revocation import RevocationRequest
from keyfob.run import run
from keyfob.testing.fake_time import NOON
from keyfob.testing.scripted_server import Answer, ScriptedWorld, Silence
from tests.client.scripts import CLIENT, PAGE, client, error, stored

LATER = NOON + timedelta(hours=1)


def ended(login: StoredLogin, *answers: Answer) -> tuple[LoggedOut, ScriptedWorld]:
    world = ScriptedWorld({"/revoke": answers})
    return run(log_out(world, login, client())), world


def told(world: ScriptedWorld) -> list[str]:
    """The tokens, as the program gave them back in its own name."""
    asked = [RevocationRequest.read(read_form(request.body, "x")) for request in world.requests("/revoke")]
    assert {one.client_id for one in asked} <= {CLIENT}
    return [one.token.reveal() for one in asked]


@pytest.mark.parametrize("answer", [Response(200), Response(200, (), b"OK!"), Response(200, (), b"{}"), PAGE], ids=str)
def test_the_refresh_token_is_revoked_and_200_means_done_whatever_the_body(answer: Response) -> None:
    """[C-7009-01] [C-6749-02] [C-6749-09]"""
    done, world = ended(stored(), answer, answer)

    assert done == LoggedOut(revoked=True, problem="", alive_until=LATER, is_alive=True, access_revoked=True)
    assert {request.method for request in world.requests("/revoke")} == {"POST"}
    assert told(world) == ["rt-1", "at-1"]


@pytest.mark.parametrize(
    "answer",
    [
        Response(503, (("retry-after", "5"),)),
        error("invalid_client", 401),
        Silence(),
        Unreachable("gone"),
        Malformed("x"),
    ],
    ids=str,
)
def test_a_server_that_does_not_confirm_is_reported_and_not_raised(answer: Answer) -> None:
    """[C-7009-01]"""
    done, world = ended(stored(), answer)

    assert done.revoked is False
    assert done.problem
    assert len(world.sent) == 1


def test_a_server_without_revocation_is_reported() -> None:
    done, world = ended(replace(stored(), revocation_endpoint=None))

    assert done.revoked is False
    assert world.sent == []


def test_without_a_refresh_token_the_access_token_alone_is_given_back() -> None:
    done, world = ended(stored(refresh=None), Response(200))

    assert (done.revoked, done.access_revoked) == (None, True)
    assert told(world) == ["at-1"]


@pytest.mark.parametrize("answer", [error("unsupported_token_type"), Response(503), Silence()], ids=str)
def test_a_server_that_takes_no_access_token_back_has_still_ended_the_login(answer: Answer) -> None:
    """[C-7009-01]"""
    done, _ = ended(stored(), Response(200), answer)

    assert (done.revoked, done.access_revoked, done.is_alive) == (True, False, True)


@pytest.mark.parametrize("status", [200, 400])
def test_an_access_token_that_the_server_no_longer_knows_is_as_good_as_revoked(status: int) -> None:
    """[FC-41] Keycloak ends the session with the refresh token, and says `invalid_token` of what was in it."""
    done, _ = ended(stored(), Response(200), error("invalid_token", status))

    assert (done.revoked, done.access_revoked) == (True, True)


NO_REVOCATION = replace(stored(refresh=None), revocation_endpoint=None)


@pytest.mark.parametrize("login", [stored(expires_in=-1, refresh=None), NO_REVOCATION])
def test_what_has_lapsed_or_cannot_be_given_back_is_not(login: StoredLogin) -> None:
    done, world = ended(login)

    assert (done.revoked, done.access_revoked) == (None, None)
    assert world.sent == []


@pytest.mark.parametrize(
    ("expires_in", "until", "alive"), [(3600, LATER, True), (-1, None, False), (0, None, False), (None, None, True)]
)
def test_what_is_still_alive_is_said(expires_in: float | None, until: object, alive: bool) -> None:
    done, _ = ended(stored(expires_in=expires_in), Response(200), Response(200))

    assert (done.alive_until, done.is_alive) == (until, alive)

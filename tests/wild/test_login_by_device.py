"""keyfob logs a person in on another device, at servers of others (RFC 8628)."""

import pytest

from keyfob.client.flows import device as device_flow
from keyfob.client.flows import interactive as login_flow
from keyfob.client.flows.polling import PAD, SLOWER_BY
from keyfob.client.model.notices import SlowedDown, StillPending
from keyfob.errors import KeyfobError, LoginDeclined, Refused, TimedOut
from keyfob.run import run
from tests.wild.hurry import Hurry, nothing
from tests.wild.servers import IN_VARIABLE, VARIABLE, Django, Server, logs_in
from tests.wild.stage import SECRET

# What each says of a code that has brought tokens already, and of a program that it does not know.
SPENT: dict[str, tuple[type[KeyfobError], str]] = {
    "OidcProvider": (Refused, "invalid_grant"),
    "Glewlwyd": (LoginDeclined, "access_denied"),
}
UNKNOWN = {"OidcProvider": "invalid_client", "Glewlwyd": "unauthorized_client", "Django": "invalid_request"}


@logs_in("device", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_a_person_approves_on_another_device_after_a_while(server: Server) -> None:
    world = Hurry(nothing, server.approve)
    world.pauses = (0, server.pause)
    stored = server.app("native", world).log_in()
    assert world.errors == ["authorization_pending"]
    assert any(isinstance(notice, StillPending) for notice in world.told)
    assert world.waited == [PAD * server.interval] * 2
    assert (stored.subject is None) == isinstance(server, Django), "no ID token comes from it this way"
    assert stored.refresh_token is not None
    assert world.missing == set()


@logs_in("device, declined", "oidc-provider", "django-oauth-toolkit")
def test_the_program_is_told_that_the_person_declined_on_the_other_device(server: Server) -> None:
    world = Hurry(server.decline)
    with pytest.raises(LoginDeclined):
        server.app("native", world).log_in()


@logs_in("device, nobody comes", "oidc-provider", "glewlwyd")
def test_a_login_that_nobody_answers_ends_by_the_programs_own_clock(server: Server) -> None:
    world = Hurry()
    with pytest.raises(TimedOut):
        server.app("native", world).log_in()
    assert set(world.errors) <= {"authorization_pending", "slow_down"}
    assert world.errors[0] == "authorization_pending"
    assert sum(wait.total_seconds() for wait in world.waited) <= world.shown.expires_in.total_seconds()


@logs_in("device, too fast", "glewlwyd")
def test_a_program_whose_clock_runs_fast_slows_down(server: Server) -> None:
    world = Hurry(nothing, nothing, server.approve)
    world.pauses = (0, 0, server.pause)
    server.app("native", world).log_in()
    assert world.errors == ["authorization_pending", "slow_down"]
    assert SlowedDown(server.interval + SLOWER_BY, 1) in world.told
    assert world.waited[-1] == PAD * (server.interval + SLOWER_BY)


@logs_in("device, code used twice", "oidc-provider", "glewlwyd")
def test_a_device_code_brings_tokens_once(server: Server) -> None:
    world = Hurry(server.approve)
    profile = server.app("native", world).profile
    pending, at = run(login_flow.begin(world, profile)), run(login_flow.find(world, profile))
    assert run(device_flow.finish(world, pending, at.client)).refresh_token
    error, word = SPENT[type(server).__name__]
    with pytest.raises(error) as problem:
        run(device_flow.finish(world, pending, at.client))
    assert problem.value.oauth_code == word


@logs_in("device, code of another program", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_a_device_code_is_of_no_use_to_another_program(server: Server) -> None:
    world = Hurry(server.approve)
    profile = server.app("native", world).profile
    pending, other = run(login_flow.begin(world, profile)), server.app("keeps", world).profile
    program = run(login_flow.find(world, other)).client
    with pytest.raises(Refused):
        run(device_flow.finish(world, pending, program))


@logs_in("device, unknown program", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_a_program_that_the_server_does_not_know_is_told_at_once(server: Server) -> None:
    world = Hurry()
    with pytest.raises(Refused) as problem:
        server.app("nobody", world).log_in()
    assert problem.value.oauth_code == UNKNOWN[type(server).__name__]
    assert world.waited == []


@logs_in("device, confidential", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_a_program_with_a_secret_logs_a_person_in_on_another_device(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    assert server.app("confidential", Hurry(server.approve), IN_VARIABLE).log_in().refresh_token

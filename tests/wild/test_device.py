"""A program without a browser, and a person with one (RFC 8628)."""

from tests.wild.peer import Client, passes
from tests.wild.stage import NATIVE, Stage

# What each library raises when the server says no.
DECLINED = {"requests-oauth2client": "AccessDenied", "Authlib": "OAuthError", "curl": "Refused"}


@passes("device", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "curl")
def test_a_device_waits_for_a_person_who_takes_a_while(stage: Stage, client: Client) -> None:
    found = client("device", {"device": stage.in_a_while}, **NATIVE)
    assert stage.tap.errors()[0] == "authorization_pending"
    stage.check_person(found)
    assert found["refresh_token"]
    assert found["id_token"]


@passes("device, too fast", "openid-client", "requests-oauth2client")
def test_a_device_that_polls_too_fast_slows_down(stage: Stage, client: Client) -> None:
    found = client("device", {"device": stage.after_a_slow_down}, hurry=True, **NATIVE)
    assert stage.tap.errors() == ["authorization_pending", "slow_down"]
    stage.check_person(found)


@passes("device, declined", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "curl")
def test_a_device_is_told_that_the_person_declined(stage: Stage, client: Client) -> None:
    problem = client.fails("device", {"device": stage.decline}, **NATIVE)
    assert (problem.type, problem.error) == (DECLINED.get(client.name, "ResponseBodyError"), "access_denied")
    assert problem.status in {stage.choose(403, 400), None}, "Authlib keeps no status"


@passes("device", "openid-client", "oauth4webapi", "requests-oauth2client", "curl")
def test_a_device_is_told_that_its_program_is_not_known(stage: Stage, client: Client) -> None:
    problem = client.fails("device", **{**NATIVE, "client_id": "nobody"})
    assert problem.error == stage.choose("unauthorized_client", "invalid_client")

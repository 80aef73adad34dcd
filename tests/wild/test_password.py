"""The password grants: legacy, and some programs still have nothing else (RFC 6749 §4.3, Auth0's realms)."""

from tests.wild.peer import Client, passes
from tests.wild.stage import ANOTHER_EMAIL, AUDIENCE, EMAIL, FULL, PASSWORD_OF_PERSON, SECRET, Stage, claims

SELF = {"client_id": "wild-password", "audience": AUDIENCE, "username": EMAIL, "password": PASSWORD_OF_PERSON}
SCOPED = {**SELF, "scope": FULL}
WITH_SECRET = {**SCOPED, "client_id": "wild-web-password", "method": "client_secret_post", "secret": SECRET}
REFUSED = {"requests-oauth2client": "InvalidGrant", "Authlib": "OAuthError", "auth0-python": "Auth0Error"}
REALM = "Username-Password-Authentication"


@passes("password", "requests-oauth2client", "Authlib", "auth0-python", "curl")
def test_a_program_hands_over_a_person_s_password(stage: Stage, client: Client) -> None:
    found = client("password", **SCOPED)
    stage.check_person(found)
    assert found["refresh_token"]
    assert found["id_token"]


@passes("password", "requests-oauth2client", "Authlib", "auth0-python", "curl")
def test_a_program_with_a_secret_hands_over_a_person_s_password(stage: Stage, client: Client) -> None:
    stage.check_person(client("password", **WITH_SECRET))


@passes("password-realm", "Authlib", "auth0-python", "curl")
def test_a_program_names_the_directory_that_the_person_is_in(stage: Stage, client: Client) -> None:
    found = client("password", realm=REALM, **SCOPED)
    stage.check_person(found)
    if not stage.is_rfc:
        assert claims(found["access_token"])["gty"] == "password-realm"


@passes("password, wrong", "requests-oauth2client", "Authlib", "auth0-python", "curl")
def test_a_wrong_password_is_told(stage: Stage, client: Client) -> None:
    problem = client.fails("password", **{**SCOPED, "password": "wrong horse"})
    assert (problem.type, problem.error) == (REFUSED.get(client.name, "Refused"), "invalid_grant")
    assert problem.status in {stage.choose(403, 400), None}
    assert stage.post("oauth/token", grant_type="password", **SCOPED), "and the right one still opens"


@passes("password, guessed", "auth0-python")
def test_somebody_who_guesses_is_told_to_wait(stage: Stage, client: Client) -> None:
    # Nobody else's: whoever it is must wait now, and other tests would wait with them.
    problem = client.fails("guesses", tries=10, **{**SCOPED, "username": ANOTHER_EMAIL, "password": "wrong horse"})
    assert (problem.type, problem.status) == ("RateLimitError", 429)
    assert problem.error == stage.choose("too_many_attempts", "temporarily_unavailable")


@passes("password-realm", "Authlib", "auth0-python", "curl")
def test_a_directory_that_is_not_there_is_told(stage: Stage, client: Client) -> None:
    assert client.fails("password", realm="Nowhere", **SCOPED).error == "invalid_request"

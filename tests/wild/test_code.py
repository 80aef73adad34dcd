"""A login in the browser, and back to the program (RFC 6749 §4.1, RFC 7636, RFC 9126, RFC 9207)."""

import pytest

from tests.wild.peer import Client, passes
from tests.wild.stage import BASIC, CODE, FULL, POST, Stage, query

REFUSED = {"requests-oauth2client": "InvalidGrant", "Authlib": "OAuthError", "auth0-python": "Auth0Error"}
DECLINED = {"requests-oauth2client": "AuthorizationResponseError", "Authlib": "OAuthError"}
DOES_NOT_JUDGE = {"Authlib"}  # its session keeps the ID token as it came


def subject(found: dict[str, object]) -> object:
    """Whom the library found in the ID token, after it has judged it."""
    return found["claims"]["sub"]  # type: ignore[index]


@passes("code", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python")
def test_a_person_logs_in_to_a_program_on_their_own_machine(stage: Stage, client: Client) -> None:
    found = client("code", **CODE)
    stage.check_person(found)
    assert found["refresh_token"]
    assert client.name in DOES_NOT_JUDGE or subject(found) == stage.sub


@passes("code, confidential", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib")
@pytest.mark.parametrize("program", [BASIC, POST], ids=["header", "body"])
def test_a_person_logs_in_to_a_program_with_a_secret(stage: Stage, client: Client, program: dict[str, str]) -> None:
    found = client("code", **{**CODE, **program})
    stage.check_person(found)
    assert client.name in DOES_NOT_JUDGE or subject(found) == stage.sub


@passes("code, confidential", "auth0-python")
def test_a_program_with_a_secret_needs_no_verifier(stage: Stage, client: Client) -> None:
    found = client("code", **{**CODE, **POST})
    stage.check_person(found)
    assert subject(found) == stage.sub


@passes("code, iss", "openid-client", "oauth4webapi", "requests-oauth2client", wires=("rfc",))
def test_a_program_sees_who_answered(stage: Stage, client: Client) -> None:
    ended: list[str] = []

    def browser(asked: dict[str, str]) -> str:
        ended.append(stage.decide(asked["url"]))
        return ended[0]

    client("code", {"browser": browser}, **CODE)
    assert query(ended[0])["iss"] == stage.issuer
    forged = ended[0].replace("iss=http", "iss=https")
    problem = client.fails("code", {"browser": lambda asked: browser(asked) and forged}, **CODE)
    assert not problem.error or "invalid" in str(problem.error).lower()


@passes("code, declined", "openid-client", "oauth4webapi", "requests-oauth2client")
def test_a_program_is_told_that_the_person_declined(stage: Stage, client: Client) -> None:
    problem = client.fails("code", {"browser": lambda asked: stage.decide(asked["url"], "decline")}, **CODE)
    assert problem.type == "AuthorizationResponseError"
    assert problem.error == "access_denied"


@passes("wrong verifier", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python")
def test_a_code_is_of_no_use_without_its_verifier(stage: Stage, client: Client) -> None:
    problem = client.fails("code", verifier="w" * 43, **CODE)
    assert (problem.type, problem.error) == (REFUSED.get(client.name, "ResponseBodyError"), "invalid_grant")
    assert stage.tap.to("/oauth/token")[0].status == stage.choose(403, 400)


@passes("PAR", "openid-client", "oauth4webapi", "requests-oauth2client", "auth0-python")
def test_a_program_pushes_what_it_asks_for_before_the_browser_opens(stage: Stage, client: Client) -> None:
    asked: list[str] = []

    def browser(what: dict[str, str]) -> str:
        asked.append(what["url"])
        return stage.decide(what["url"])

    found = client("code", {"browser": browser}, par=True, **{**CODE, **POST})
    stage.check_person(found)
    assert FULL.split()[0] not in asked[0]
    assert query(asked[0]).keys() == {"client_id", "request_uri"}

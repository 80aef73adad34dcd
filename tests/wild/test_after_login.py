"""What a program does with a login that it has: renew it, use it, look at it, end it."""

from tests.wild.peer import Client, passes
from tests.wild.stage import BASIC, EMAIL, Stage

REFUSED = {"requests-oauth2client": "InvalidGrant", "Authlib": "OAuthError", "auth0-python": "Auth0Error",
           "curl": "Refused"}  # fmt: skip
SELF = {"client_id": "wild-native"}


@passes("refresh", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python", "curl")
def test_a_login_is_renewed(stage: Stage, client: Client) -> None:
    token = stage.log_in()["refresh_token"]
    renewed = client("refresh", refresh_token=token, **SELF)
    stage.check_person(renewed)
    assert renewed["refresh_token"] not in {token, None}
    stage.check_person(stage.renew(renewed["refresh_token"]))


@passes("refresh", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python", "curl")
def test_an_old_token_is_refused_and_ends_the_login(stage: Stage, client: Client) -> None:
    first = stage.log_in()["refresh_token"]
    third = stage.renew(stage.renew(first)["refresh_token"])["refresh_token"]
    for token in (first, third):
        problem = client.fails("refresh", refresh_token=token, **SELF)
        assert (problem.type, problem.error) == (REFUSED.get(client.name, "ResponseBodyError"), "invalid_grant")
        assert problem.status in {stage.choose(403, 400), None}, "Authlib keeps no status"


@passes("refresh", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python", "curl")
def test_a_login_is_renewed_with_less(stage: Stage, client: Client) -> None:
    token = stage.log_in()["refresh_token"]
    found = client("refresh", refresh_token=token, more={"scope": "openid"}, **SELF)
    assert str(found["scope"]).split() == ["openid"]


@passes("revoke", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python", "curl")
def test_a_login_is_ended(stage: Stage, client: Client) -> None:
    token = stage.log_in()["refresh_token"]
    client("revoke", token=token, **SELF)
    [answer] = stage.tap.to("/oauth/revoke")
    assert answer.status == 200
    assert client.fails("refresh", refresh_token=token, **SELF).error == "invalid_grant"


@passes("userinfo", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python", "curl")
def test_a_program_learns_who_the_person_is(stage: Stage, client: Client) -> None:
    found = client("userinfo", token=stage.log_in()["access_token"], sub=stage.sub, **SELF)
    assert (found["sub"], found["email"], found["name"]) == (stage.sub, EMAIL, "Pat Example")


@passes("introspection", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", wires=("rfc",))
def test_a_program_asks_whether_a_token_lives(stage: Stage, client: Client) -> None:
    token = str(stage.log_in()["access_token"])
    found = client("introspect", token=token, **BASIC)
    assert (found["active"], found["sub"], found["client_id"]) == (True, stage.sub, "wild-native")
    broken = token[:-8] + "AAAAAAAA"
    assert client("introspect", token=broken, **BASIC) == {"active": False}

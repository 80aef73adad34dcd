"""openid-client 6, in Node: strict about everything that OpenID Connect says."""

from __future__ import annotations

import pytest

from tests.wild.peer import Failed, passes, program
from tests.wild.stage import AUDIENCE, BASIC, CODE, NATIVE, POST, WRONG_SECRET, Stage, claims, query

openid_client = program("with_openid_client.mjs")


@passes("openid-client", "discovery")
def test_it_finds_every_endpoint_that_it_can_use(stage: Stage) -> None:
    found = openid_client(stage, "discovery", client_id="wild-native")
    assert found["issuer"] == stage.issuer
    assert found["device_authorization_endpoint"] == f"{stage.issuer}oauth/device/code"
    assert found["pushed_authorization_request_endpoint"] == f"{stage.issuer}oauth/par"
    assert found.get("introspection_endpoint") == stage.as_auth0(None, f"{stage.issuer}oauth/introspect")


@passes("openid-client", "device")
def test_it_waits_for_a_person_who_takes_a_while(stage: Stage) -> None:
    found = openid_client(stage, "device", {"device": stage.in_a_while}, **NATIVE)
    assert stage.tap.errors()[0] == "authorization_pending"
    stage.check_person(found)
    assert found["claims"]["sub"] == stage.sub  # type: ignore[index]
    assert found["refresh_token"]


@passes("openid-client", "device, too fast")
def test_it_slows_down_when_it_is_told_to(stage: Stage) -> None:
    found = openid_client(stage, "device", {"device": stage.after_a_slow_down}, hurry=True, **NATIVE)
    assert stage.tap.errors() == ["authorization_pending", "slow_down"]
    stage.check_person(found)


@passes("openid-client", "device, declined")
def test_it_tells_that_the_person_declined(stage: Stage) -> None:
    with pytest.raises(Failed) as problem:
        openid_client(stage, "device", {"device": stage.decline}, **NATIVE)
    assert problem.value.type == "ResponseBodyError"
    assert problem.value.error == "access_denied"
    assert problem.value.status == stage.as_auth0(403, 400)


@passes("openid-client", "client credentials, Basic")
def test_it_gets_a_machine_s_token_with_a_secret_in_the_header(stage: Stage) -> None:
    found = openid_client(stage, "credentials", audience=AUDIENCE, scope="read:orders", **BASIC)
    stage.check_machine(found, "wild-basic", "read:orders")
    assert stage.tap.to("/oauth/token")[0].headers["authorization"].startswith("Basic ")


@passes("openid-client", "client credentials, post")
def test_it_gets_a_machine_s_token_with_a_secret_in_the_body(stage: Stage) -> None:
    found = openid_client(stage, "credentials", audience=AUDIENCE, **POST)
    stage.check_machine(found, "wild-post", "read:orders write:orders")


@passes("openid-client", "client credentials, private_key_jwt")
def test_it_gets_a_machine_s_token_with_a_signature(stage: Stage) -> None:
    found = openid_client(stage, "credentials", audience=AUDIENCE, scope="write:orders", **stage.with_key)
    stage.check_machine(found, "wild-key", "write:orders")


@passes("openid-client", "wrong secret")
@pytest.mark.parametrize("program_of", [BASIC, POST], ids=["in the header", "in the body"])
def test_it_tells_that_a_secret_is_wrong(stage: Stage, program_of: dict[str, str]) -> None:
    with pytest.raises(Failed) as problem:
        openid_client(stage, "credentials", audience=AUDIENCE, **{**program_of, "secret": WRONG_SECRET})
    # A challenge in the header comes before the body with this library.
    in_header = program_of is BASIC
    assert problem.value.type == ("WWWAuthenticateChallengeError" if in_header else "ResponseBodyError")
    assert problem.value.status == 401
    assert stage.tap.errors() == [stage.as_auth0("access_denied", "invalid_client")]


@passes("openid-client", "code")
def test_it_logs_a_person_in_through_a_browser(stage: Stage) -> None:
    ended: list[str] = []
    found = openid_client(stage, "code", {"browser": lambda asked: ended.append(stage.decide(asked["url"])) or ended[0]},
                          **CODE)  # fmt: skip
    stage.check_person(found)
    assert query(ended[0]).get("iss") == stage.as_auth0(None, stage.issuer)
    assert found["claims"]["sub"] == stage.sub  # type: ignore[index]


@passes("openid-client", "code, confidential")
@pytest.mark.parametrize("program_of", [BASIC, POST], ids=["in the header", "in the body"])
def test_it_logs_a_person_in_to_a_program_with_a_secret(stage: Stage, program_of: dict[str, str]) -> None:
    stage.check_person(openid_client(stage, "code", **{**CODE, **program_of}))


@passes("openid-client", "code, declined")
def test_it_tells_that_the_person_declined_in_the_browser(stage: Stage) -> None:
    with pytest.raises(Failed) as problem:
        openid_client(stage, "code", {"browser": lambda asked: stage.decide(asked["url"], "decline")}, **CODE)
    assert problem.value.type == "AuthorizationResponseError"
    assert problem.value.error == "access_denied"


@passes("openid-client", "wrong verifier")
def test_it_tells_that_the_verifier_does_not_fit(stage: Stage) -> None:
    with pytest.raises(Failed) as problem:
        openid_client(stage, "code", verifier="v" * 43, **CODE)
    assert (problem.value.type, problem.value.error) == ("ResponseBodyError", "invalid_grant")


@passes("openid-client", "PAR")
def test_it_pushes_what_it_asks_for_before_the_browser_opens(stage: Stage) -> None:
    asked: list[str] = []

    def browser(what: dict[str, str]) -> str:
        asked.append(what["url"])
        return stage.decide(what["url"])

    found = openid_client(stage, "code", {"browser": browser}, par=True, **{**CODE, **POST})
    stage.check_person(found)
    assert query(asked[0]).keys() == {"client_id", "request_uri"}


@passes("openid-client", "refresh")
def test_it_renews_a_login_and_an_old_token_ends_it(stage: Stage) -> None:
    first = stage.log_in()["refresh_token"]
    second = openid_client(stage, "refresh", client_id="wild-native", refresh_token=first)
    stage.check_person(second)
    third = openid_client(stage, "refresh", client_id="wild-native", refresh_token=second["refresh_token"])
    assert len({first, second["refresh_token"], third["refresh_token"]}) == 3
    for token in (first, third["refresh_token"]):
        with pytest.raises(Failed) as problem:
            openid_client(stage, "refresh", client_id="wild-native", refresh_token=token)
        assert (problem.value.type, problem.value.error) == ("ResponseBodyError", "invalid_grant")


@passes("openid-client", "refresh")
def test_it_renews_a_login_with_less(stage: Stage) -> None:
    held = stage.log_in()["refresh_token"]
    found = openid_client(stage, "refresh", client_id="wild-native", refresh_token=held, more={"scope": "openid"})
    assert "read:orders" not in str(found["scope"]).split()


@passes("openid-client", "revoke")
def test_it_ends_a_login(stage: Stage) -> None:
    held = stage.log_in()["refresh_token"]
    openid_client(stage, "revoke", client_id="wild-native", token=held)
    assert stage.tap.to("/oauth/revoke")[0].status == 200
    with pytest.raises(Failed) as problem:
        openid_client(stage, "refresh", client_id="wild-native", refresh_token=held)
    assert problem.value.error == "invalid_grant"


@passes("openid-client", "userinfo")
def test_it_learns_who_the_person_is(stage: Stage) -> None:
    held = stage.log_in()["access_token"]
    found = openid_client(stage, "userinfo", client_id="wild-native", token=held, sub=stage.sub)
    assert (found["sub"], found["email"], found["name"]) == (stage.sub, "person@example.com", "Pat Example")


@passes("openid-client", "introspection", "rfc")
def test_it_asks_whether_a_token_lives(stage: Stage) -> None:
    held = str(stage.log_in()["access_token"])
    found = openid_client(stage, "introspect", token=held, **BASIC)
    assert (found["active"], found["sub"], found["client_id"]) == (True, stage.sub, "wild-native")
    assert openid_client(stage, "introspect", token=held[:-8] + "AAAAAAAA", **BASIC) == {"active": False}


@passes("openid-client", "DPoP")
@pytest.mark.parametrize("program_of", [{}, BASIC], ids=["public", "confidential"])
def test_it_binds_a_login_to_a_key_and_keeps_the_key(stage: Stage, program_of: dict[str, str]) -> None:
    found = openid_client(stage, "dpop", **{**CODE, **program_of})
    stage.check_person(found)
    bound = {"jkt": found["thumbprint"]}
    renewed: dict[str, object] = found["renewed"]  # type: ignore[assignment]
    assert str(found["token_type"]).lower() == str(renewed["token_type"]).lower() == "dpop"
    assert claims(found["access_token"])["cnf"] == claims(renewed["access_token"])["cnf"] == bound
    assert found["userinfo"]["email"] == "person@example.com"  # type: ignore[index]
    assert ("use_dpop_nonce" in stage.tap.errors()) is (not program_of), "a public program needs a nonce"


@passes("openid-client", "DPoP")
def test_it_binds_a_device_s_login_and_a_machine_s_token_to_a_key(stage: Stage) -> None:
    device = openid_client(stage, "device", dpop=True, **NATIVE)
    machine = openid_client(stage, "credentials", dpop=True, audience=AUDIENCE, **BASIC)
    assert claims(device["access_token"])["cnf"]
    assert claims(machine["access_token"])["cnf"]

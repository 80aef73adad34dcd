"""openid-client 6, in Node: strict about everything that OpenID Connect says."""

from __future__ import annotations

import pytest

from tests.wild.peer import Failed, passes, program
from tests.wild.stage import AUDIENCE, CALLBACK, SECRET, WRONG_SECRET, Stage, audiences, claims

openid_client = program("with_openid_client.mjs")
NATIVE = {"client_id": "wild-native", "audience": AUDIENCE, "scope": "openid profile email offline_access read:orders"}
CODE = {**NATIVE, "callback": CALLBACK}
BASIC = {"client_id": "wild-basic", "method": "client_secret_basic", "secret": SECRET}
POST = {"client_id": "wild-post", "method": "client_secret_post", "secret": SECRET}


@passes("openid-client", "discovery")
def test_it_finds_every_endpoint_that_it_can_use(stage: Stage) -> None:
    found = openid_client(stage, "discovery", client_id="wild-native")
    assert found["issuer"] == stage.issuer
    assert found["device_authorization_endpoint"] == f"{stage.issuer}oauth/device/code"
    assert found["pushed_authorization_request_endpoint"] == f"{stage.issuer}oauth/par"
    assert found.get("introspection_endpoint") == stage.as_auth0(None, f"{stage.issuer}oauth/introspect")


@passes("openid-client", "device login")
def test_it_waits_for_a_person_who_takes_a_while(stage: Stage) -> None:
    def later(asked: dict[str, str]) -> None:
        import threading

        def decide() -> None:
            stage.tap.wait_for("authorization_pending")
            stage.activate(asked)

        threading.Thread(target=decide).start()

    found = openid_client(stage, "device", {"device": later}, **NATIVE)
    assert stage.tap.errors()[0] == "authorization_pending"
    assert claims(found["access_token"])["sub"] == stage.sub
    assert AUDIENCE in audiences(found["access_token"])
    assert found["claims"]["sub"] == stage.sub  # type: ignore[index]
    assert found["refresh_token"]


@passes("openid-client", "device declined")
def test_it_tells_that_the_person_declined(stage: Stage) -> None:
    with pytest.raises(Failed) as problem:
        openid_client(stage, "device", {"device": lambda asked: stage.activate(asked, "decline")}, **NATIVE)
    assert problem.value.type == "ResponseBodyError"
    assert problem.value.error == "access_denied"
    assert problem.value.status == stage.as_auth0(403, 400)


@passes("openid-client", "client credentials, Basic")
def test_it_gets_a_machine_s_token_with_a_secret_in_the_header(stage: Stage) -> None:
    found = openid_client(stage, "credentials", audience=AUDIENCE, scope="read:orders", **BASIC)
    said = claims(found["access_token"])
    assert said["scope"] == "read:orders"
    assert said["sub"] == stage.as_auth0("wild-basic@clients", "wild-basic")


@passes("openid-client", "DPoP")
def test_it_binds_a_login_to_a_key_and_keeps_the_key(stage: Stage) -> None:
    found = openid_client(stage, "dpop", **CODE)
    assert found["token_type"].lower() == "dpop"  # type: ignore[attr-defined]
    assert claims(found["access_token"])["cnf"] == {"jkt": found["thumbprint"]}


@passes("openid-client", "code")
def test_it_logs_a_person_in_through_a_browser(stage: Stage) -> None:
    found = openid_client(stage, "code", **CODE)
    assert claims(found["access_token"])["sub"] == stage.sub

"""Tokens that are of no use without a key (RFC 9449)."""

import pytest

from tests.wild.peer import Client, passes
from tests.wild.stage import AUDIENCE, BASIC, CODE, EMAIL, NATIVE, Stage, claims


@passes("DPoP", "openid-client", "oauth4webapi", "requests-oauth2client")
@pytest.mark.parametrize("program", [{}, BASIC], ids=["public", "confidential"])
def test_a_login_is_bound_to_a_key_and_keeps_it(stage: Stage, client: Client, program: dict[str, str]) -> None:
    found = client("dpop", **{**CODE, **program})
    stage.check_person(found)
    renewed: dict[str, object] = found["renewed"]  # type: ignore[assignment]
    assert str(found["token_type"]).lower() == str(renewed["token_type"]).lower() == "dpop"
    bound = {"jkt": found["thumbprint"]}
    assert claims(found["access_token"])["cnf"] == claims(renewed["access_token"])["cnf"] == bound
    assert found["userinfo"]["email"] == EMAIL  # type: ignore[index]
    asked_for_a_nonce = "use_dpop_nonce" in [*stage.tap.errors(), *stage.tap.errors("/oauth/par")]
    assert asked_for_a_nonce is (not program), "a public program needs one, and asks again with it"


@passes("DPoP", "openid-client", "oauth4webapi", "requests-oauth2client")
def test_a_machine_s_token_is_bound_to_a_key(stage: Stage, client: Client) -> None:
    assert "jkt" in str(claims(client("credentials", dpop=True, audience=AUDIENCE, **BASIC)["access_token"])["cnf"])


@passes("DPoP", "openid-client", "oauth4webapi", "requests-oauth2client")
def test_a_device_s_login_is_bound_to_a_key(stage: Stage, client: Client) -> None:
    found = client("device", dpop=True, **NATIVE)
    stage.check_person(found)
    assert "jkt" in str(claims(found["access_token"])["cnf"])

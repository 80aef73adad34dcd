"""A program as itself, with each way of proving who it is (RFC 6749 §4.4, RFC 7523 §2.2)."""

from tests.wild.peer import Client, passes
from tests.wild.stage import AUDIENCE, BASIC, ORDERS, PLUS_SECRET, POST, WRONG_SECRET, Stage

CHALLENGED = {"openid-client": "WWWAuthenticateChallengeError", "oauth4webapi": "WWWAuthenticateChallengeError"}
REFUSED = {
    "openid-client": "ResponseBodyError",
    "oauth4webapi": "ResponseBodyError",
    "Authlib": "OAuthError",
    "auth0-python": "Auth0Error",
    "curl": "Refused",
}


@passes("client credentials, Basic", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "curl")
def test_a_machine_shows_its_secret_in_the_header(stage: Stage, client: Client) -> None:
    found = client("credentials", audience=AUDIENCE, **BASIC)
    stage.check_machine(found, "wild-basic", " ".join(ORDERS))
    assert stage.tap.to("/oauth/token")[0].headers["authorization"].startswith("Basic ")


@passes("client credentials, Basic with +", "openid-client", "oauth4webapi")
def test_a_machine_escapes_what_is_in_its_secret(stage: Stage, client: Client) -> None:
    found = client("credentials", audience=AUDIENCE, **{**BASIC, "secret": PLUS_SECRET})
    stage.check_machine(found, "wild-basic", " ".join(ORDERS))


@passes("client credentials, post", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python",
        "curl")  # fmt: skip
def test_a_machine_shows_its_secret_in_the_body(stage: Stage, client: Client) -> None:
    found = client("credentials", audience=AUDIENCE, **POST)
    stage.check_machine(found, "wild-post", " ".join(ORDERS))


@passes("client credentials, private_key_jwt", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib")
def test_a_machine_signs_for_itself(stage: Stage, client: Client) -> None:
    found = client("credentials", audience=AUDIENCE, **stage.with_key)
    stage.check_machine(found, "wild-key", " ".join(ORDERS))


@passes("client credentials, private_key_jwt", "auth0-python", wires=("auth0",))
def test_auth0_s_own_library_signs_for_https_whatever_the_tenant_is_on(stage: Stage, client: Client) -> None:
    found = client("credentials", audience=AUDIENCE, **stage.with_key)
    stage.check_machine(found, "wild-key", " ".join(ORDERS))


@passes("client credentials, post", "openid-client", "oauth4webapi", "requests-oauth2client", "curl")
def test_a_machine_gets_no_more_than_it_asks_for(stage: Stage, client: Client) -> None:
    found = client("credentials", audience=AUDIENCE, scope="read:orders", **POST)
    stage.check_machine(found, "wild-post", "read:orders")


@passes("client credentials, post", "openid-client", "oauth4webapi", "requests-oauth2client", "curl")
def test_a_machine_that_asks_for_what_it_was_not_granted_gets_nothing(stage: Stage, client: Client) -> None:
    problem = client.fails("credentials", audience=AUDIENCE, scope="read:orders delete:orders", **POST)
    assert problem.error == stage.choose("access_denied", "invalid_scope")
    assert problem.status == stage.choose(403, 400)


@passes("wrong secret", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "curl")
def test_a_wrong_secret_in_the_header_is_told(stage: Stage, client: Client) -> None:
    problem = client.fails("credentials", audience=AUDIENCE, **{**BASIC, "secret": WRONG_SECRET})
    assert stage.tap.errors() == [stage.choose("access_denied", "invalid_client")]
    assert stage.tap.to("/oauth/token")[0].status == 401
    # Those of panva's look at the header's challenge before they look at the body.
    ours = stage.choose("AccessDenied", "InvalidClient")
    assert problem.type == {**REFUSED, **CHALLENGED}.get(client.name, ours)
    stage.still_opens_to(BASIC)


@passes("wrong secret", "openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python", "curl")
def test_a_wrong_secret_in_the_body_is_told(stage: Stage, client: Client) -> None:
    problem = client.fails("credentials", audience=AUDIENCE, **{**POST, "secret": WRONG_SECRET})
    assert problem.error == stage.choose("access_denied", "invalid_client")
    assert problem.status in {401, None}
    assert problem.type == REFUSED.get(client.name, stage.choose("AccessDenied", "InvalidClient"))
    stage.still_opens_to(POST)

"""A program as itself: every row of auth0-wire A2.2, and how a program proves who it is (A0)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.errors import Misuse
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.client_authentication import JWT_BEARER
from keyfob.protocol.secret import Secret
from keyfob.server.settings.config import Wire
from keyfob.testing.example_tenant import MACHINE, MACHINE_KEY, ORDERS, SECOND_SECRET, SECRET, STOCK
from keyfob.testing.scene import ISSUER, Scene
from tests.server.wires import as_machine, basic, body_of, claims_of, header_of, scene_of, send_json, token, told

REFUSED: dict[str, tuple[dict[str, str], tuple[int, str, str], tuple[int, str]]] = {
    "unknown program": (
        {"client_id": "signer-without", "audience": ORDERS},
        (401, "access_denied", "Unauthorized"),
        (401, "invalid_client"),
    ),
    "unknown audience": (
        {"audience": "https://nowhere.example"},
        (403, "access_denied", "Service not found: https://nowhere.example"),
        (400, "invalid_target"),
    ),
    "an audience without its slash is another": (
        {"audience": ORDERS.rstrip("/")},
        (403, "access_denied", f"Service not found: {ORDERS.rstrip('/')}"),
        (400, "invalid_target"),
    ),
    "scope outside the grant": (
        {"audience": ORDERS, "scope": "read:orders write:orders openid"},
        (403, "access_denied", "Client has not been granted scopes: openid write:orders"),
        (400, "invalid_scope"),
    ),
    "no audience": (
        {},
        (403, "access_denied", "No audience parameter was provided, and no default audience has been configured"),
        (400, "invalid_target"),
    ),
    "an organization": (
        {"audience": ORDERS, "organization": "org_1"},
        (400, "invalid_request", "This tenant has no organizations."),
        (400, "invalid_request"),
    ),
    "two resources": (
        {"resource": f"{ORDERS} {STOCK}"},
        (400, "invalid_request", "Only one API can be named."),
        (400, "invalid_target"),
    ),
    "wrong secret": (
        {"audience": ORDERS, "client_secret": "wrong"},
        (401, "access_denied", "Unauthorized"),
        (401, "invalid_client"),
    ),
    "no secret": (
        {"audience": ORDERS, "client_secret": ""},
        (401, "access_denied", "Unauthorized"),
        (401, "invalid_client"),
    ),
    "no client_id": (
        {"audience": ORDERS, "client_id": ""},
        (401, "invalid_client", "Missing client_id"),
        (400, "invalid_request"),
    ),
}


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_program_is_refused_in_its_dialects_words(wire: Wire, case: str) -> None:
    """[AS-6749-09] [AS-6749-18] [AS-8707-01] [AS-ASVS-03]: unknown program and wrong secret read the same."""
    parameters, auth0, rfc = REFUSED[case]
    answer = told(as_machine(scene_of(wire), **parameters))
    assert answer == auth0 if wire == "auth0" else answer[:2] == rfc


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_an_api_without_a_grant_for_the_program_is_closed_to_it(wire: Wire) -> None:
    """[AS-9700-03]."""
    response = token(scene_of(wire), basic("web"), grant_type="client_credentials", audience=STOCK)
    text = f'Client is not authorized to access "{STOCK}". You need to create a "client-grant" associated to this API.'
    assert told(response) == (
        (403, "access_denied", text)
        if wire == "auth0"
        else (400, "invalid_target", "The client has no grant for that API.")
    )


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_a_public_program_has_no_credentials_to_show(wire: Wire) -> None:
    """[AS-6749-30] [AS-8252-01]."""
    response = token(scene_of(wire), grant_type="client_credentials", client_id="native", audience=ORDERS)
    assert told(response)[:2] == ((403 if wire == "auth0" else 400), "unauthorized_client")
    if wire == "auth0":
        assert told(response)[2] == "Grant type 'client_credentials' not allowed for the client."


def test_a_programs_token_has_auth0s_claims() -> None:
    """[AS-6749-31] [AS-9700-11]."""
    members = body_of(as_machine(scene_of(), audience=ORDERS, scope="read:orders"))
    assert members.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert members["expires_in"] == 86400
    claims = claims_of(members["access_token"])
    assert claims["sub"] == "machine@clients"
    assert claims["gty"] == "client-credentials"
    assert claims["aud"] == ORDERS
    assert claims["azp"] == "machine"
    assert claims["scope"] == "read:orders"
    assert "permissions" not in claims


def test_an_api_has_its_own_profile_algorithm_and_permissions() -> None:
    """[AS-9068-01] [AS-9068-02]."""
    scene = scene_of()
    members = body_of(as_machine(scene, resource=STOCK))
    header, claims = header_of(members["access_token"]), claims_of(members["access_token"])
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    assert claims["permissions"] == ["read:stock"]
    assert claims["client_id"] == "machine"
    assert "gty" not in claims
    again = claims_of(body_of(as_machine(scene, resource=STOCK))["access_token"])
    assert claims["jti"] != again["jti"]


def test_offline_access_is_no_scope_of_a_program() -> None:
    """[AS-6749-31]."""
    assert told(as_machine(scene_of(), audience=ORDERS, scope="offline_access"))[0] == 403


@pytest.mark.parametrize("secret", [SECRET, SECOND_SECRET])
def test_several_secrets_live_side_by_side(secret: Secret) -> None:
    """[AS-6749-14] [AS-6749-15]: percent-encoded, with every character that matters."""
    response = token(scene_of(), basic("web", secret), grant_type="client_credentials", audience=ORDERS)
    assert response.status == 200


def test_a_basic_header_may_come_with_its_client_id_in_the_body() -> None:
    scene = scene_of()
    asked = {"grant_type": "client_credentials", "audience": ORDERS}
    assert token(scene, basic("web"), client_id="web", **asked).status == 200
    assert told(token(scene, basic("web"), client_id="machine", **asked))[:2] == (400, "invalid_request")


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_two_ways_to_authenticate_at_once_are_refused(wire: Wire) -> None:
    """[AS-6749-16]."""
    asked = {"grant_type": "client_credentials", "audience": ORDERS, "client_secret": SECRET.reveal()}
    assert told(token(scene_of(wire), basic("web"), **asked))[:2] == (400, "invalid_request")


@pytest.mark.parametrize(
    "header", ["Basic %%%", "Basic eA==", "Basic d2ViOiVaWg==", "basic d2ViOndyb25n", "Basic d2ViOsOp", "Basic"]
)
def test_a_basic_header_that_will_not_do_is_answered_with_a_challenge(header: str) -> None:
    """[AS-6749-15] [AS-6749-17]."""
    scene = scene_of("rfc")
    response = token(scene, (("authorization", header),), grant_type="client_credentials", audience=ORDERS)
    assert told(response)[:2] == (401, "invalid_client")
    assert (response.header("www-authenticate") or "").startswith("Basic ")


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_a_program_authenticates_only_as_it_is_registered(wire: Wire) -> None:
    """[AS-6749-17]: the right secret in the wrong place."""
    scene = scene_of(wire)
    asked = {"grant_type": "client_credentials", "audience": ORDERS}
    assert token(scene, client_id="web", client_secret=SECRET.reveal(), **asked).status == 401
    assert token(scene, basic("machine"), **asked).status == 401


def test_json_with_nulls_is_read_like_a_form() -> None:
    members = {"client_id": "machine", "client_secret": SECRET.reveal(), "grant_type": "client_credentials"}
    nulls = {"organization": None, "scope": None, "realm": "", "audience": ORDERS}
    assert send_json(scene_of(), "oauth/token", {**members, **nulls}).status == 200
    listed = send_json(scene_of(), "oauth/token", {**members, "audience": ORDERS, "scope": ["read:orders"]})
    assert body_of(listed)["scope"] == "read:orders"


@pytest.mark.parametrize("scope", [7, {"a": "b"}, [1], True])
def test_a_scope_that_is_no_text_has_auth0s_answer(scope: object) -> None:
    members = {"client_id": "machine", "client_secret": SECRET.reveal(), "grant_type": "client_credentials"}
    response = send_json(scene_of(), "oauth/token", {**members, "audience": ORDERS, "scope": scope})
    assert told(response) == (400, "invalid_scope", "Scope must be an array or a string")


def test_guessing_a_secret_is_slowed_down_for_the_guesser_alone() -> None:
    """[AS-6749-13]."""
    scene = scene_of()
    for _ in range(6):
        last = as_machine(scene, audience=ORDERS, client_secret="wrong")
    assert last.status == 429
    assert last.header("retry-after")
    honest = {"grant_type": "client_credentials", "client_id": "machine", "client_secret": SECRET.reveal()}
    assert scene.post("oauth/token", peer="198.51.100.9", audience=ORDERS, **honest).status == 200
    scene.time.go(timedelta(seconds=5))
    assert as_machine(scene, audience=ORDERS).status == 200


def assertion(scene: Scene, key: SigningKey = MACHINE_KEY, **changed: object) -> str:
    now = int(scene.time.now().timestamp())
    own = {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": "one", "exp": now + 180, "iat": now}
    kept = {name: value for name, value in {**own, **changed}.items() if value is not None}
    return sign(kept, key, token_type="JWT").reveal()


def as_signer(scene: Scene, assertion: str, **more: str) -> int:
    shown = {"client_assertion": assertion, "client_assertion_type": JWT_BEARER}
    return token(scene, grant_type="client_credentials", audience=ORDERS, **shown, **more).status


def test_a_signed_assertion_proves_a_program_once() -> None:
    """[AS-OIDC-01] [AS-7523-01]: and client_id may be left out."""
    scene = scene_of()
    once = assertion(scene)
    assert as_signer(scene, once) == 200
    assert as_signer(scene, once) == 401
    assert as_signer(scene, assertion(scene, jti="two"), client_id="signer") == 200


FLAWED: dict[str, Mapping[str, object]] = {
    "another issuer": {"iss": "web"},
    "another subject": {"sub": "web"},
    "no jti": {"jti": None},
    "a jti too long": {"jti": "x" * 65},
    "no exp": {"exp": None},
    "lapsed": {"exp": 0},
    "lives too long": {"exp": 4_000_000_000},
    "from the future": {"nbf": 4_000_000_000},
    "the token endpoint as audience": {"aud": f"{ISSUER}oauth/token"},
    "two audiences": {"aud": [ISSUER, "https://other.example/"]},
    "no audience": {"aud": None},
    "no slash": {"aud": ISSUER.rstrip("/")},
}


@pytest.mark.parametrize("flaw", FLAWED)
@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_a_flawed_assertion_is_refused(wire: Wire, flaw: str) -> None:
    """[AS-7523-01] [AS-7523b-01]."""
    scene = scene_of(wire)
    assert as_signer(scene, assertion(scene, **FLAWED[flaw])) == 401


@pytest.mark.parametrize("key", [SigningKey.generate("ES256"), SigningKey.generate("Ed25519")])
def test_an_assertion_by_another_key_is_refused(key: SigningKey) -> None:
    """[AS-7523-01]."""
    scene = scene_of()
    assert as_signer(scene, assertion(scene, key)) == 401


def test_an_assertion_without_a_signature_is_refused() -> None:
    """[AS-7523-01]."""
    scene = scene_of()
    body = assertion(scene).split(".")[1]
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    assert as_signer(scene, f"{header}.{body}.") == 401


def test_auth0s_sdks_write_https_also_for_a_tenant_on_plain_http() -> None:
    scene = Scene(replace(scene_of().config, issuer="http://127.0.0.1:9/"))
    shown = assertion(scene, aud="https://127.0.0.1:9/")
    asked = {"client_assertion": shown, "client_assertion_type": JWT_BEARER, "audience": ORDERS}
    assert scene.post("oauth/token", grant_type="client_credentials", **asked).status == 200


def test_a_secret_that_could_be_guessed_is_not_taken() -> None:
    """[AS-7518-01]."""
    with pytest.raises(Misuse, match="at least 32 characters") as problem:
        replace(MACHINE, secrets=(Secret("short"),)).check()
    # A plus would be a space in a Basic header that is not escaped, and curl escapes nothing (RFC 6749 App. B).
    assert problem.value.hint.endswith("openssl rand -hex 32")


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
@pytest.mark.parametrize(
    "shown",
    [
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"},
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": "a.b.c",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        },
    ],
)
def test_grants_that_a_tenant_does_not_have_are_said_to_be_so(wire: Wire, shown: dict[str, str]) -> None:
    scene = scene_of(wire)
    assert told(as_machine(scene, **shown))[1] == "unsupported_grant_type"

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.client.flows.id_token import LEEWAY, check, expected_algorithms
from keyfob.client.flows.interactive import log_in
from keyfob.client.model.notices import ScopeNarrowed
from keyfob.errors import InvalidToken, KeyfobError, Malformed
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.claims import IdClaims
from keyfob.protocol.http import Response, json_response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.fake_time import NOON
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.scripts import CLIENT, DOCUMENT, ISSUER, METADATA, OPENID, codes, tokens
from tests.client.scripts import PROFILE as USUAL

PROFILE = replace(USUAL, has_exact_scope=True)

RSA = SigningKey.generate("RS256")
EC = SigningKey.generate("ES256")
STRANGER = SigningKey.generate("RS256")
CLAIMS: dict[str, object] = {
    "iss": ISSUER,
    "sub": "auth0|1",
    "aud": CLIENT,
    "iat": NOON.timestamp(),
    "exp": (NOON + timedelta(hours=1)).timestamp(),
    "email": "a@b.example",
}


def keys(*stored: SigningKey) -> Response:
    return json_response(200, {"keys": [key.public_jwk() for key in stored]})


def judged(
    token: Secret, *, metadata: ServerMetadata = METADATA, nonce: str | None = None, jwks: Response | None = None
) -> IdClaims:
    return run(check(ScriptedWorld({"/jwks": [jwks or keys(RSA, EC)]}), token, metadata, CLIENT, nonce))


def saying(**changed: object) -> Secret:
    members = {name: value for name, value in (CLAIMS | changed).items() if value is not None}
    return sign(members, RSA, token_type="JWT")


def unsigned(header: Mapping[str, object], signature: bytes | None = None) -> Secret:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(CLAIMS).encode())}"
    if signature is not None:
        signature = hmac.new(signature, signed.encode(), hashlib.sha256).digest()
    return Secret(f"{signed}.{part(signature or b'')}")


def test_a_good_id_token_says_who_it_is() -> None:
    """[C-OIDC-01] [C-OIDC-02] [C-OIDC-03]"""
    claims = judged(saying())

    assert claims.subject == "auth0|1"
    assert dict(claims.person) == {"email": "a@b.example"}


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://login.example"},
        {"iss": "https://other.example/"},
        {"iss": None},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"aud": []},
        {"aud": None},
        {"aud": 7},
        {"azp": "another"},
        {"exp": (NOON - LEEWAY).timestamp()},
        {"exp": None},
        {"exp": "never"},
        {"iat": (NOON + LEEWAY + timedelta(seconds=1)).timestamp()},
        {"iat": None},
        {"sub": None},
        {"sub": 7},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_ends_the_login(changed: dict[str, object]) -> None:
    """[C-OIDC-01] [C-OIDC-05]"""
    with pytest.raises(InvalidToken):
        judged(saying(**changed))


@pytest.mark.parametrize("changed", [{"aud": [CLIENT]}, {"azp": CLIENT}, {"nonce": "n"}, {"x": {}}], ids=str)
def test_what_may_be_otherwise_may_be(changed: dict[str, object]) -> None:
    assert judged(saying(**changed)).subject == "auth0|1"


def test_further_audiences_are_taken_only_from_a_token_that_was_made_for_us() -> None:
    """[FC-33] [C-OIDC-01] [C-OIDC-05]: as at Zitadel, which adds its project, and at Keycloak's audience mapper."""
    assert judged(saying(aud=[CLIENT, "another"], azp=CLIENT)).audience == (CLIENT, "another")
    for changed in ({"azp": None}, {"azp": "another"}, {"azp": CLIENT, "aud": ["another", "third"]}):
        with pytest.raises(InvalidToken):
            judged(saying(**({"aud": [CLIENT, "another"]} | changed)))


def test_a_token_for_another_names_its_audiences_in_plain_letters() -> None:
    """[FC-33]"""
    with pytest.raises(InvalidToken) as raised:
        judged(saying(aud=["orders", "\x1b[2Jevil"], azp="web"))
    assert "orders" in raised.value.hint
    assert "azp: web" in raised.value.hint
    assert "\x1b" not in raised.value.hint
    with pytest.raises(InvalidToken) as raised:
        judged(saying(aud=[f"api-{number}{'x' * 900}" for number in range(900)]))
    assert len(raised.value.hint) < 1000


@pytest.mark.parametrize("nonce", [None, "another"])
def test_a_nonce_that_was_sent_has_to_come_back(nonce: str | None) -> None:
    """[C-OIDC-03]"""
    assert judged(saying(nonce="n"), nonce="n").nonce == "n"

    with pytest.raises(InvalidToken):
        judged(saying(nonce=nonce), nonce="n")


def test_an_unsigned_token_is_no_token() -> None:
    """[C-OIDC-02]"""
    for spelled in ("none", "None", "NONE", ""):
        with pytest.raises(InvalidToken):
            judged(unsigned({"alg": spelled, "typ": "JWT"}))


def test_the_public_key_is_no_shared_secret() -> None:
    """[C-OIDC-02]"""
    secret = json.dumps(RSA.public_jwk()).encode()

    with pytest.raises(InvalidToken):
        judged(unsigned({"alg": "HS256", "typ": "JWT", "kid": RSA.key_id}, secret))


def test_the_algorithm_is_the_issuers_word_and_never_the_tokens() -> None:
    """[C-OIDC-02]"""
    by_ec = sign(CLAIMS, EC, token_type="JWT")
    says_ec = replace(METADATA, id_token_signing_alg_values_supported=("ES256", "HS256", "none"))

    assert judged(by_ec, metadata=says_ec).subject == "auth0|1"
    assert expected_algorithms(METADATA) == ("RS256",)
    with pytest.raises(InvalidToken):
        judged(by_ec)
    with pytest.raises(InvalidToken):
        judged(saying(), metadata=says_ec)


def test_a_strangers_key_does_not_sign_for_the_issuer() -> None:
    """[C-OIDC-02]"""
    with pytest.raises(InvalidToken):
        judged(sign(CLAIMS, STRANGER, token_type="JWT"))
    with pytest.raises(InvalidToken):
        judged(sign(CLAIMS, replace(STRANGER, key_id=RSA.key_id), token_type="JWT"))


@pytest.mark.parametrize("token_type", ["at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt"])
def test_another_kind_of_token_is_no_id_token(token_type: str) -> None:
    """[C-ASVS-02]"""
    with pytest.raises(InvalidToken):
        judged(sign(CLAIMS, RSA, token_type=token_type))


def test_a_key_that_was_turned_since_is_found_with_one_request() -> None:
    """[C-OIDC-08] Keys are fetched for every login and kept for none."""
    world = ScriptedWorld({"/jwks": [keys(STRANGER, RSA)]})

    run(check(world, saying(), METADATA, CLIENT))

    assert len(world.sent) == 1


@pytest.mark.parametrize(
    "jwks", [Response(404), Response(200, (), b"<html>"), json_response(200, {"keys": {}})], ids=str
)
def test_an_issuer_without_usable_keys_ends_the_login(jwks: Response) -> None:
    with pytest.raises(Malformed):
        judged(saying(), jwks=jwks)
    with pytest.raises(Malformed):
        judged(saying(), metadata=replace(METADATA, jwks_uri=None))


def logged_in(**answered: object) -> ScriptedWorld:
    script = {OPENID: [DOCUMENT], "/device": [codes()], "/token": [tokens(**answered)], "/jwks": [keys(RSA)]}
    return ScriptedWorld(script)


def test_a_login_ends_with_what_may_be_kept() -> None:
    """[C-9700-01]"""
    stored = run(log_in(logged_in(id_token=saying().reveal(), refresh_token="rt-1"), replace(PROFILE, flow="device")))

    assert (stored.subject, stored.person, stored.issuer) == ("auth0|1", "a@b.example", ISSUER)
    assert stored.refresh_token == Secret("rt-1")


def test_no_id_token_is_assumed_from_a_device_login() -> None:
    world = logged_in()

    assert run(log_in(world, replace(PROFILE, flow="device"))).subject is None
    assert world.requests("/jwks") == []


def test_a_bad_id_token_ends_the_login_and_nothing_is_kept_of_it() -> None:
    """[C-OIDC-01]"""
    with pytest.raises(KeyfobError):
        run(log_in(logged_in(id_token=saying(sub=None).reveal()), replace(PROFILE, flow="device")))


def test_a_narrower_scope_is_reported() -> None:
    """[C-6749-17]"""
    world = logged_in(scope="openid")

    stored = run(log_in(world, replace(PROFILE, flow="device")))

    assert stored.scope.names == {"openid"}
    assert ScopeNarrowed(("read:orders",)) in world.notices


def narrowed(asked: str, **answered: object) -> set[str]:
    """The scopes that the person is told of."""
    world = logged_in(**answered)
    run(log_in(world, replace(PROFILE, flow="device", scope=Scope.read(asked))))
    return {name for notice in world.notices if isinstance(notice, ScopeNarrowed) for name in notice.missing}


def test_tokens_that_came_speak_for_the_scopes_that_a_server_does_not_name() -> None:
    """Some name the API's scopes alone, and some never name offline_access."""
    asked, who = "openid email offline_access read:orders", saying().reveal()

    assert narrowed(asked, scope="read:orders", id_token=who, refresh_token="rt-1") == set()
    assert narrowed(asked, scope="read:orders", id_token=who) == {"offline_access"}
    assert narrowed(asked, scope="read:orders", refresh_token="rt-1") == {"openid", "email"}
    assert narrowed(asked, scope="openid", id_token=who, refresh_token="rt-1") == {"email", "read:orders"}

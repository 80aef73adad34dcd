"""Proof of possession (RFC 9449): proofs, nonces, bound tokens, for every grant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keyfob.errors import InvalidToken
from keyfob.jose.keys import SigningKey, thumbprint
from keyfob.jose.proofs import read_proof, write_proof
from keyfob.jose.tokens import sign
from keyfob.protocol.dpop import Proof, hash_of, normal
from keyfob.protocol.http import Headers, Request, Response
from keyfob.protocol.secret import Secret
from keyfob.server.settings.config import Wire
from keyfob.testing.example_tenant import ORDERS, SECRET
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.endpoints.pages.test_authorize import push
from tests.server.wires import (
    approve,
    basic,
    body_of,
    claims_of,
    code_of,
    device_codes,
    poll,
    redeem,
    scene_of,
    token,
    told,
    with_password,
)

KEY, OTHER = SigningKey.generate("ES256"), SigningKey.generate("ES256")
ENDPOINT = f"{ISSUER}oauth/token"
PARTS = {name: value for name, value in KEY.public_jwk().items() if name in {"kty", "crv", "x", "y"}}
JKT = thumbprint(PARTS)


def proof(
    scene: Scene,
    key: SigningKey = KEY,
    method: str = "POST",
    address: str = ENDPOINT,
    nonce: str | None = None,
    ago: timedelta = timedelta(),
    access: Secret | None = None,
    name: str | None = None,
) -> Headers:
    said = Proof(
        name or scene.time.random(8).hex(),
        method,
        address,
        scene.time.now() - ago,
        None if access is None else hash_of(access),
        nonce,
    )
    return (("dpop", write_proof(said, key).reveal()),)


def nonce_of(scene: Scene) -> str:
    asked = {"grant_type": "refresh_token", "client_id": "native", "refresh_token": "x"}
    response = token(scene, proof(scene), **asked)
    assert told(response) == (400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof")
    found = response.header("dpop-nonce")
    assert found is not None
    return found


def machine(scene: Scene, headers: Headers) -> Response:
    asked = {"grant_type": "client_credentials", "client_id": "machine", "client_secret": SECRET.reveal()}
    return token(scene, headers, audience=ORDERS, **asked)


@pytest.fixture(params=["auth0", "rfc"])
def both(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param)


def test_a_programs_token_is_bound_to_its_key(both: Scene) -> None:
    """[AS-9449-02]."""
    response = machine(both, proof(both))
    members = body_of(response)
    assert members["token_type"] == "DPoP"
    assert claims_of(members["access_token"])["cnf"] == {"jkt": JKT}
    assert response.header("dpop-nonce")


def test_every_persons_grant_gives_bound_tokens(both: Scene) -> None:
    """[AS-9449-02]."""
    nonce = nonce_of(both)
    codes = device_codes(both, audience=ORDERS, scope="openid offline_access")
    approve(both, codes)
    device = body_of(poll(both, codes["device_code"], proof(both, nonce=nonce)))
    code = body_of(redeem(both, code_of(both, audience=ORDERS), proof(both, nonce=nonce)))
    asked = {"grant_type": "password", "client_id": "legacy", "username": "person@example.com"}
    word = {"password": "correct horse battery staple", "audience": ORDERS}
    password = body_of(token(both, proof(both, nonce=nonce), **asked, **word))
    for members in (device, code, password):
        assert members["token_type"] == "DPoP"
        assert claims_of(members["access_token"])["cnf"] == {"jkt": JKT}


def test_a_public_programs_refresh_token_needs_its_key(both: Scene) -> None:
    """[AS-9449-02]: shown without it, or with another, it gives nothing, and the login goes on."""
    nonce = nonce_of(both)
    code = code_of(both, scope="openid offline_access", audience=ORDERS)
    first = body_of(redeem(both, code, proof(both, nonce=nonce)))
    asked = {"grant_type": "refresh_token", "client_id": "native", "refresh_token": str(first["refresh_token"])}
    assert told(token(both, **asked))[1] == "invalid_grant"
    assert told(token(both, proof(both, OTHER, nonce=nonce), **asked))[1] == "invalid_grant"
    renewed = body_of(token(both, proof(both, nonce=nonce), **asked))
    assert claims_of(renewed["access_token"])["cnf"] == {"jkt": JKT}


def test_a_confidential_programs_refresh_token_is_bound_to_the_program(both: Scene) -> None:
    """[AS-9449-02]: RFC 9449 §5 binds only those of public programs."""
    callback = "https://shop.example/other"
    code = code_of(both, client_id="web", redirect_uri=callback, scope="openid offline_access")
    shown = {"client_id": "", "redirect_uri": callback}
    first = body_of(redeem(both, code, (*basic("web"), *proof(both)), **shown))
    asked = {"grant_type": "refresh_token", "refresh_token": str(first["refresh_token"])}
    plain = body_of(token(both, basic("web"), **asked))
    assert plain["token_type"] == "Bearer"


def test_a_code_that_names_a_key_is_that_keys(both: Scene) -> None:
    """[AS-9449-02]: dpop_jkt, also where the push was proven."""
    nonce = nonce_of(both)
    code = code_of(both, dpop_jkt=JKT)
    assert told(redeem(both, code))[1] == "invalid_grant"
    assert told(redeem(both, code, proof(both, OTHER, nonce=nonce)))[1] == "invalid_grant"
    assert redeem(both, code, proof(both, nonce=nonce)).status == 200
    push_proof = proof(both, nonce=nonce, address=f"{ISSUER}oauth/par")
    assert told(push(both, push_proof, dpop_jkt="x" * 43))[1] == "invalid_dpop_proof"
    assert push(both, proof(both, nonce=nonce, address=f"{ISSUER}oauth/par")).status == 201


FLAWED: dict[str, Mapping[str, object]] = {
    "another method": {"method": "GET"},
    "another address": {"address": f"{ISSUER}oauth/revoke"},
    "another host": {"address": "https://evil.example/oauth/token"},
    "too old": {"ago": timedelta(minutes=3)},
    "from the future": {"ago": timedelta(minutes=-2)},
    "a jti too long": {"name": "x" * 201},
}


@pytest.mark.parametrize("flaw", FLAWED)
def test_a_flawed_proof_is_refused(both: Scene, flaw: str) -> None:
    """[AS-9449-01]."""
    response = machine(both, proof(both, **FLAWED[flaw]))  # type: ignore[arg-type]
    assert told(response)[:2] == (400, "invalid_dpop_proof")


def flawed_headers(scene: Scene) -> dict[str, tuple[str, ...]]:
    said = Proof("x", "POST", ENDPOINT, scene.time.now()).write()
    good = write_proof(Proof("y", "POST", ENDPOINT, scene.time.now()), KEY).reveal()
    private = {"d": "AAAA", **PARTS}
    return {
        "two headers": (good, good),
        "another type": (sign(said, KEY, token_type="JWT", header={"jwk": PARTS}).reveal(),),
        "no key": (sign(said, KEY, token_type="dpop+jwt", header={}).reveal(),),
        "a private key": (sign(said, KEY, token_type="dpop+jwt", header={"jwk": private}).reveal(),),
        "another's key": (sign(said, OTHER, token_type="dpop+jwt", header={"jwk": PARTS}).reveal(),),
        "no jti": (sign({**said, "jti": ""}, KEY, token_type="dpop+jwt", header={"jwk": PARTS}).reveal(),),
        "no iat": (sign({**said, "iat": "now"}, KEY, token_type="dpop+jwt", header={"jwk": PARTS}).reveal(),),
        "rubbish": ("x.y.z",),
        "nothing": ("",),
    }


@pytest.mark.parametrize("flaw", list(flawed_headers(scene_of())))
def test_a_malformed_proof_is_refused(both: Scene, flaw: str) -> None:
    """[AS-9449-01]."""
    headers = tuple(("dpop", value) for value in flawed_headers(both)[flaw])
    assert told(machine(both, headers))[:2] == (400, "invalid_dpop_proof")


def test_a_proof_is_good_once(both: Scene) -> None:
    """[AS-9449-01]."""
    once = proof(both)
    assert machine(both, once).status == 200
    assert told(machine(both, once))[1] == "invalid_dpop_proof"


def test_a_nonce_lapses_and_a_new_one_comes_with_the_refusal(both: Scene) -> None:
    """[AS-9449-02]."""
    nonce = nonce_of(both)
    both.time.go(timedelta(minutes=10))
    refused = machine(both, proof(both, nonce=nonce))
    assert told(refused)[1] == "use_dpop_nonce"
    fresh = refused.header("dpop-nonce")
    assert fresh != nonce
    assert machine(both, proof(both, nonce=fresh)).status == 200
    assert told(machine(both, proof(both, nonce="made-up")))[1] == "use_dpop_nonce"


def test_an_application_may_insist_on_proofs() -> None:
    ready = scene_of().config
    strict = tuple(replace(one, requires_dpop=True) for one in ready.applications)
    scene = Scene(replace(ready, applications=strict))
    assert told(machine(scene, ()))[1] == "invalid_dpop_proof"
    assert machine(scene, proof(scene)).status == 200


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_userinfo_takes_a_bound_token_with_its_proof_alone(wire: Wire) -> None:
    """[AS-9449-01]: never as a plain Bearer."""
    scene = scene_of(wire)
    nonce, address = nonce_of(scene), f"{ISSUER}userinfo"
    access = str(body_of(redeem(scene, code_of(scene), proof(scene, nonce=nonce)))["access_token"])

    def ask(scheme: str, headers: Headers = ()) -> int:
        return scene.send(Request("GET", address, (("authorization", f"{scheme} {access}"), *headers))).status

    good = proof(scene, method="GET", address=address, access=Secret(access))
    assert ask("DPoP", good) == 200
    assert ask("DPoP", good) == 401, "once"
    assert ask("Bearer") == 401
    assert ask("Bearer", proof(scene, method="GET", address=address, access=Secret(access))) == 401
    assert ask("DPoP") == 401
    assert ask("DPoP", proof(scene, OTHER, method="GET", address=address, access=Secret(access))) == 401
    assert ask("DPoP", proof(scene, method="GET", address=address, access=Secret("another"))) == 401
    plain = str(body_of(with_password(scene))["access_token"])
    shown = (("authorization", f"DPoP {plain}"), *proof(scene, method="GET", address=address, access=Secret(plain)))
    assert scene.send(Request("GET", address, shown)).status == 401


def test_factors_are_managed_with_a_bound_token_and_its_proof_alone() -> None:
    """[AS-9449-01]: never as a plain Bearer."""
    scene = scene_of()
    address = f"{ISSUER}mfa/authenticators"
    asked = {"audience": f"{ISSUER}mfa/", "scope": "read:authenticators", "grant_type": "password"}
    person = {"client_id": "legacy", "username": EMAIL, "password": PASSWORD}
    access = str(body_of(token(scene, proof(scene, nonce=nonce_of(scene)), **asked, **person))["access_token"])
    assert claims_of(access)["cnf"] == {"jkt": JKT}

    def ask(scheme: str, headers: Headers = ()) -> int:
        return scene.send(Request("GET", address, (("authorization", f"{scheme} {access}"), *headers))).status

    good = proof(scene, method="GET", address=address, access=Secret(access))
    assert ask("Bearer") == 401
    assert ask("Bearer", good) == 401
    assert ask("DPoP") == 401
    assert ask("DPoP", proof(scene, OTHER, method="GET", address=address, access=Secret(access))) == 401
    assert ask("DPoP", good) == 200
    assert ask("DPoP", good) == 401, "once"


# RFC 9449 §4.1, figure 2: the first worked example.
EXAMPLE = Secret(
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo"
    "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJq"
    "dGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0Ijox"
    "NTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)


def test_the_worked_example_of_the_standard_is_read() -> None:
    """[AS-9449-01]: RFC 9449 §4.1 and §6.1."""
    said, key = read_proof(EXAMPLE)
    assert key == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    assert said == Proof(
        "-BwC3ESc6acc2lTc", "POST", "https://server.example.com/token", datetime.fromtimestamp(1562262616, UTC)
    )
    assert hash_of(Secret("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")) == (
        "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
    )
    with pytest.raises(InvalidToken):
        read_proof(Secret(EXAMPLE.reveal()[:-4] + "AAAA"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://Server.example:443/token?x=1#y", "https://server.example/token"),
        ("http://a:80", "http://a/"),
        ("http://[::1]:8790/oauth/token", "HTTP://[::1]:8790/oauth/token?"),
    ],
)
def test_addresses_are_compared_without_what_does_not_matter(one: str, other: str) -> None:
    """[AS-9449-01]."""
    assert normal(one) == normal(other)
    assert normal("https://a:b") == ""

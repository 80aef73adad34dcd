"""Tokens that are bound to a key or a certificate: whoever shows one must hold what it is bound to."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest

from keyfob.errors import Misuse, Unreachable
from keyfob.guard import CertificateHeader, Denial, DpopSettings, Guard, Principal
from keyfob.jose.keys import SigningKey, thumbprint
from keyfob.jose.proofs import OLDEST, NonceNeeded, Possession, judge_proof, read_proof, write_proof
from keyfob.jose.tokens import sign, sign_bytes
from keyfob.protocol.certificate import der_of_pem, thumbprint_of
from keyfob.protocol.dpop import DPOP_JWT, Proof, hash_of, normal
from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret
from keyfob.resource.certificates import is_same
from keyfob.resource.replays import ReplaysInMemory
from keyfob.testing.flawed_tokens import TokenMaker

from .conftest import AUDIENCE, ISSUER, NOW
from .scenes import Issuer, call, challenges_of, error_of

ADDRESS = "https://orders.example"
KEY, OTHER = SigningKey.generate("ES256"), SigningKey.generate("ES256")
JKT = thumbprint({name: value for name, value in KEY.public_jwk().items() if name in {"kty", "crv", "x", "y"}})

# RFC 8705 App. A
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----
"""
X5T = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"


def guard(mint: TokenMaker, **settings: object) -> Guard:
    ways: dict[str, object] = {"address": ADDRESS, "send": Issuer(mint.key), "clock": lambda: NOW, **settings}
    return Guard(issuer=ISSUER, audience=AUDIENCE, **ways)  # type: ignore[arg-type]


def bound(mint: TokenMaker) -> Secret:
    return mint.saying({"cnf": {"jkt": JKT}})


def proof(token: Secret, key: SigningKey = KEY, **changed: object) -> Secret:
    said = Proof("one", "GET", f"{ADDRESS}/orders", NOW, hash_of(token))
    return write_proof(replace(said, **changed), key)  # type: ignore[arg-type]


def shown(token: Secret, *proofs: Secret, scheme: str = "DPoP") -> Request:
    return call(token, *(("dpop", found.reveal()) for found in proofs), scheme=scheme)


def test_a_bound_token_with_a_proof_passes(mint: TokenMaker) -> None:
    """[RS-9449-02]."""
    token = bound(mint)
    found = guard(mint).check(shown(token, proof(token)), "read:orders")
    assert isinstance(found, Principal)
    assert found.key_thumbprint == JKT
    assert found.is_bound


def test_a_bound_token_is_no_bearer_token_and_an_unbound_one_needs_no_proof(mint: TokenMaker) -> None:
    """[RS-9449-01]."""
    token = bound(mint)
    for asked in (shown(token, scheme="Bearer"), shown(token, proof(token), scheme="Bearer")):
        found = guard(mint).check(asked)
        assert error_of(found) == (401, "invalid_token")
        assert set(challenges_of(found)) == {"Bearer", "DPoP"}
    plain = mint.good()
    assert error_of(guard(mint).check(shown(plain, proof(plain)))) == (401, "invalid_token")
    assert isinstance(guard(mint).check(shown(plain, scheme="Bearer")), Principal)


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"method": "POST"}, KEY),
        ({"address": f"{ADDRESS}/other"}, KEY),
        ({"address": "http://orders.example/orders"}, KEY),
        ({"address": "https://evil.example/orders"}, KEY),
        ({"token_hash": None}, KEY),
        ({"token_hash": hash_of(Secret("another"))}, KEY),
        ({"issued_at": NOW - OLDEST - timedelta(seconds=1)}, KEY),
        ({"issued_at": NOW + timedelta(minutes=1)}, KEY),
        ({"token_id": "x" * 201}, KEY),
    ],
)
def test_a_proof_for_something_else_is_refused(mint: TokenMaker, changed: dict[str, object], key: SigningKey) -> None:
    """[RS-9449-02]."""
    token = bound(mint)
    found = guard(mint).check(shown(token, proof(token, key, **changed)))
    assert error_of(found) == (401, "invalid_dpop_proof")
    assert challenges_of(found)["DPoP"].parameters["algs"] == "ES256 Ed25519 PS256 RS256"


def test_a_proof_by_another_key_is_refused(mint: TokenMaker) -> None:
    """[RS-9449-02]."""
    token = bound(mint)
    found = guard(mint).check(shown(token, proof(token, OTHER)))
    assert error_of(found) == (401, "invalid_token")
    assert challenges_of(found)["DPoP"].parameters["error"] == "invalid_token"


def test_a_proof_is_used_once(mint: TokenMaker) -> None:
    """[RS-9449-02]."""
    token, api = bound(mint), guard(mint)
    once = shown(token, proof(token))
    assert isinstance(api.check(once), Principal)
    assert error_of(api.check(once)) == (401, "invalid_dpop_proof")
    assert isinstance(api.check(shown(token, proof(token, token_id="two"))), Principal)


def _spelt(token: Secret, **changed: object) -> Secret:
    """As JSON can spell it with escapes, letters that UTF-8 cannot write included."""
    jwk = {name: value for name, value in KEY.public_jwk().items() if name in {"kty", "crv", "x", "y"}}
    said = {**Proof("one", "GET", f"{ADDRESS}/orders", NOW, hash_of(token)).write(), **changed}
    parts = ({"alg": "ES256", "typ": DPOP_JWT, "jwk": jwk}, said)
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return sign_bytes(signed, KEY)


def test_a_proof_that_spells_what_utf_8_cannot_is_refused(mint: TokenMaker) -> None:
    """[RS-9449-02] [FS-14] It is refused where JSON is read, so nothing behind has to expect half a character."""
    token, api = bound(mint), guard(mint)
    for claim in ("jti", "ath", "htu", "htm", "nonce"):
        odd = shown(token, _spelt(token, **{"jti": claim, claim: "\ud800"}))
        assert error_of(api.check(odd)) == (401, "invalid_dpop_proof")


def test_a_proof_that_was_refused_counts_as_unused(mint: TokenMaker) -> None:
    """Else whoever has seen a proof, and not the token, could use it up."""
    token, api = bound(mint), guard(mint)
    assert error_of(api.check(shown(mint.good(), proof(token)))) == (401, "invalid_token")
    assert isinstance(api.check(shown(token, proof(token))), Principal)


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_proof_comes_with_a_token(mint: TokenMaker, count: int) -> None:
    """[RS-9449-02]."""
    token = bound(mint)
    assert error_of(guard(mint).check(shown(token, *[proof(token)] * count))) == (401, "invalid_dpop_proof")


def _retyped(token: Secret) -> Secret:
    jwk = {name: value for name, value in KEY.public_jwk().items() if name in {"kty", "crv", "x", "y"}}
    said = Proof("one", "GET", f"{ADDRESS}/orders", NOW, hash_of(token)).write()
    return sign(said, KEY, token_type="JWT", header={"jwk": jwk})


def _without_key(token: Secret) -> Secret:
    return sign(Proof("one", "GET", f"{ADDRESS}/orders", NOW, hash_of(token)).write(), KEY, token_type=DPOP_JWT)


def _with_private_key(token: Secret) -> Secret:
    jwk = {name: value for name, value in KEY.public_jwk().items() if name in {"kty", "crv", "x", "y"}}
    said = Proof("one", "GET", f"{ADDRESS}/orders", NOW, hash_of(token)).write()
    return sign(said, KEY, token_type=DPOP_JWT, header={"jwk": {**jwk, "d": "AQAB"}})


def _damaged(token: Secret) -> Secret:
    text = proof(token).reveal()
    return Secret(text[:-4] + ("AAAA" if not text.endswith("AAAA") else "BBBB"))


@pytest.mark.parametrize("make", [_retyped, _without_key, _with_private_key, _damaged, lambda _: Secret("rubbish")])
def test_what_is_no_proof_is_refused(mint: TokenMaker, make: Callable[[Secret], Secret]) -> None:
    """[RS-9449-02]."""
    token = bound(mint)
    assert error_of(guard(mint).check(shown(token, make(token)))) == (401, "invalid_dpop_proof")


def test_a_proof_by_an_algorithm_that_is_not_taken_is_refused(mint: TokenMaker) -> None:
    """[RS-9449-03]: and the challenge says which are."""
    token = bound(mint)
    found = guard(mint, dpop=DpopSettings(algorithms=("Ed25519",))).check(shown(token, proof(token)))
    assert error_of(found) == (401, "invalid_dpop_proof")
    assert challenges_of(found)["DPoP"].parameters["algs"] == "Ed25519"


def test_the_first_challenge_names_both_schemes_and_no_error(mint: TokenMaker) -> None:
    """[RS-9449-03] [RS-6750-03]."""
    found = challenges_of(guard(mint).check(call(None), "read:orders"))
    assert set(found) == {"Bearer", "DPoP"}
    for challenge in found.values():
        assert challenge.parameters["scope"] == "read:orders"
        assert "error" not in challenge.parameters
    assert "algs" in found["DPoP"].parameters


def test_an_api_may_take_bound_tokens_only(mint: TokenMaker) -> None:
    """[RS-9449-03]."""
    api, token = guard(mint, dpop=DpopSettings(required=True)), bound(mint)
    found = api.check(shown(mint.good(), scheme="Bearer"))
    assert error_of(found) == (401, "")
    assert set(challenges_of(found)) == {"DPoP"}
    assert isinstance(api.check(shown(token, proof(token))), Principal)


def test_an_api_that_asks_for_a_nonce_hands_it_out_and_takes_no_other(mint: TokenMaker) -> None:
    """[RS-9449-03]."""
    now = [NOW]
    api, token = guard(mint, dpop=DpopSettings(nonce_key=b"k" * 32), clock=lambda: now[0]), bound(mint)
    found = api.check(shown(token, proof(token)))
    assert error_of(found) == (401, "use_dpop_nonce")
    assert isinstance(found, Denial)
    nonce = found.response().header("dpop-nonce")
    assert nonce
    assert challenges_of(found)["DPoP"].parameters["error"] == "use_dpop_nonce"
    assert isinstance(api.check(shown(token, proof(token, nonce=nonce))), Principal)
    assert error_of(api.check(shown(token, proof(token, nonce="made up")))) == (401, "use_dpop_nonce")
    now[0] += timedelta(minutes=11)
    fresh = proof(token, nonce=nonce, issued_at=now[0], token_id="later")
    assert error_of(api.check(shown(token, fresh))) == (401, "use_dpop_nonce")


def test_an_api_without_an_address_takes_no_bound_token_at_all(mint: TokenMaker) -> None:
    """[RS-9449-01]."""
    api, token = guard(mint, address=None), bound(mint)
    assert error_of(api.check(shown(token, scheme="Bearer"))) == (401, "invalid_token")
    assert error_of(api.check(shown(token, proof(token)))) == (401, "")
    with pytest.raises(Misuse):
        guard(mint, address=None, dpop=DpopSettings())


@pytest.mark.parametrize(
    ("address", "path", "used"),
    [
        (ADDRESS, "/orders?page=2", f"{ADDRESS}/orders"),
        (ADDRESS, "/orders", "https://ORDERS.example:443/orders?page=2#x"),
        (ADDRESS + "/", "/a%20b", f"{ADDRESS}/a%20b"),
        (ADDRESS, "/%7Eperson", f"{ADDRESS}/~person"),
        (ADDRESS, "/%e2%82%ac", f"{ADDRESS}/%E2%82%AC"),
        (f"{ADDRESS}/v1", "/v1/orders", f"{ADDRESS}/v1/orders"),
        (f"{ADDRESS}/v1", "/orders", f"{ADDRESS}/v1/orders"),
        (f"{ADDRESS}/v1", "/v10/orders", f"{ADDRESS}/v1/v10/orders"),
    ],
)
def test_a_proof_names_the_address_that_the_caller_used(mint: TokenMaker, address: str, path: str, used: str) -> None:
    """[RS-9449-02]: whatever the API itself sees behind its proxy; the Host header counts for nothing."""
    token = bound(mint)
    headers = (("authorization", f"DPoP {token.reveal()}"), ("dpop", proof(token, address=used).reveal()))
    request = Request("GET", path, (*headers, ("host", "evil.example")))
    assert isinstance(guard(mint, address=address).check(request), Principal)


# RFC 9449 §7.1
ACCESS_TOKEN = Secret("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")


def test_the_hash_of_rfc_9449_is_ours() -> None:
    """[RS-9449-02]."""
    assert hash_of(ACCESS_TOKEN) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


def test_a_proof_without_nonce_is_judged_alike_with_and_without_nonces_of_ours() -> None:
    said = Proof("one", "GET", "https://a.example/", NOW, nonce="theirs")
    found = judge_proof(write_proof(said, KEY), method="GET", address="https://a.example/", now=NOW)
    assert isinstance(found, Possession)
    assert not isinstance(found, NonceNeeded)
    assert read_proof(write_proof(said, KEY)) == (said, JKT)


def test_each_used_proof_is_forgotten_at_its_own_time() -> None:
    memory = ReplaysInMemory()
    first, second = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
    assert memory.use_once("a", first, NOW)
    assert memory.use_once("b", second, NOW)
    assert not memory.use_once("a", second, first - timedelta(microseconds=1))
    assert [memory.use_once(mark, second, first) for mark in ("a", "b")] == [True, False]


def test_a_thumbprint_in_other_letters_is_another() -> None:
    assert not is_same(X5T, "é" * len(X5T))
    assert not is_same(None, X5T)
    assert is_same(X5T, X5T)


def test_used_proofs_are_forgotten_when_they_are_stale_and_a_full_memory_lets_nothing_pass(mint: TokenMaker) -> None:
    """[RS-9449-02] [RS-ASVS-02]."""
    memory = ReplaysInMemory(most=2)
    until = NOW + timedelta(minutes=1)
    assert [memory.use_once(mark, until, NOW) for mark in ("a", "b", "a")] == [True, True, False]
    with pytest.raises(Unreachable):
        memory.use_once("c", until, NOW)
    assert memory.use_once("a", until + timedelta(minutes=1), until)

    token, api = bound(mint), guard(mint, dpop=DpopSettings(replays=ReplaysInMemory(most=1)))
    assert isinstance(api.check(shown(token, proof(token))), Principal)
    assert error_of(api.check(shown(token, proof(token, token_id="two")))) == (503, "temporarily_unavailable")


@pytest.mark.parametrize("wrong", [{"algorithms": ()}, {"nonce_key": b"short"}])
def test_proofs_that_could_never_be_safe_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Misuse):
        DpopSettings(**wrong)  # type: ignore[arg-type]
    assert "kkkk" not in repr(DpopSettings(nonce_key=b"k" * 32))


def test_addresses_that_cannot_be_read_are_like_nothing() -> None:
    assert normal("https://a.example:x/") == ""
    assert normal("https://[::1]:8443/a") == "https://[::1]:8443/a"
    assert normal("https://a.example/€") == "https://a.example/%E2%82%AC"


# ---- certificates

DER = der_of_pem(CERTIFICATE) or b""


def with_certificate(mint: TokenMaker) -> Secret:
    return mint.saying({"cnf": {"x5t#S256": X5T}})


def test_the_thumbprint_of_rfc_8705_is_ours() -> None:
    """[RS-8705-01]: App. A."""
    assert thumbprint_of(DER) == X5T


def test_a_token_that_is_bound_to_a_certificate_passes_with_it_alone(mint: TokenMaker) -> None:
    """[RS-8705-01]."""
    api, request = guard(mint, address=None), call(with_certificate(mint))
    assert isinstance(api.check(request, "read:orders", certificate=DER), Principal)
    for other in (None, DER + b"x", b""):
        assert error_of(api.check(request, "read:orders", certificate=other)) == (401, "invalid_token")
    assert isinstance(api.check(call(mint.good()), certificate=DER), Principal)


HEX = hashlib.sha256(DER).hexdigest()
FORMS = {
    "client-cert": f":{base64.b64encode(DER).decode()}:",
    "x-client-cert": quote(CERTIFICATE),
    "x-ssl-cert": base64.b64encode(DER).decode(),
    "x-forwarded-client-cert": f'By=spiffe://a;Hash={HEX};Subject="CN=mtls"',
}


@pytest.mark.parametrize("name", FORMS)
def test_a_trusted_proxy_hands_the_certificate_on_in_each_usual_form(mint: TokenMaker, name: str) -> None:
    """[RS-8705-01]."""
    api = guard(mint, certificates=CertificateHeader(name, ("10.0.0.0/8", "::1")))
    request = call(with_certificate(mint), (name, FORMS[name]))
    assert isinstance(api.check(replace(request, peer="10.1.2.3")), Principal)
    assert isinstance(api.check(replace(request, peer="::1")), Principal)
    padded = call(with_certificate(mint), (name, f" {FORMS[name]} "))
    assert isinstance(api.check(replace(padded, peer="::1")), Principal)


def test_the_certificate_of_the_connection_comes_before_any_header(mint: TokenMaker) -> None:
    """RFC 8705 §3."""
    api = guard(mint, certificates=CertificateHeader("client-cert", ("unix",)))
    request = call(with_certificate(mint), ("client-cert", ":AAAA:"))
    assert isinstance(api.check(request, certificate=DER), Principal)
    request = call(with_certificate(mint), ("client-cert", FORMS["client-cert"]))
    assert error_of(api.check(request, certificate=b"another")) == (401, "invalid_token")


@pytest.mark.parametrize("peer", ["192.0.2.1", "", "not an address"])
def test_a_certificate_header_of_anybody_else_counts_for_nothing(mint: TokenMaker, peer: str) -> None:
    """[RS-8705-01]: spoofed."""
    api = guard(mint, certificates=CertificateHeader("client-cert", ("10.0.0.0/8",)))
    request = replace(call(with_certificate(mint), ("client-cert", FORMS["client-cert"])), peer=peer)
    assert error_of(api.check(request)) == (401, "invalid_token")
    without = guard(mint)
    assert error_of(without.check(replace(request, peer="10.0.0.1"))) == (401, "invalid_token")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "::",
        ":x:",
        "rubbish",
        "%",
        "Hash=abc",
        f"Hash={HEX},By=x;Hash={'0' * 64}",
        f"By=x;Hash={'0' * 64},By=y;Hash={HEX}",
        "é",
        "x" * 20000,
        FORMS["client-cert"][:-9],
        FORMS["client-cert"][:-1] + "x",
        "x" + FORMS["client-cert"][1:],
        f"{FORMS['client-cert'][:9]}!{FORMS['client-cert'][9:]}",
    ],
)
def test_a_header_that_cannot_be_read_is_no_certificate(mint: TokenMaker, value: str) -> None:
    """[RS-8705-01]."""
    api = guard(mint, certificates=CertificateHeader("client-cert", ("unix",)))
    request = call(with_certificate(mint), ("client-cert", value))
    assert error_of(api.check(request)) == (401, "invalid_token")
    twice = call(with_certificate(mint), *[("client-cert", FORMS["client-cert"])] * 2)
    assert error_of(api.check(twice)) == (401, "invalid_token")
    assert isinstance(api.check(call(with_certificate(mint), ("client-cert", FORMS["client-cert"]))), Principal)


@pytest.mark.parametrize(("name", "proxies"), [("", ("::1",)), ("Client-Cert", ("::1",)), ("a", ()), ("a", ("x",))])
def test_a_certificate_header_that_could_never_be_safe_is_refused(name: str, proxies: tuple[str, ...]) -> None:
    with pytest.raises(Misuse):
        CertificateHeader(name, proxies)


@pytest.mark.parametrize("confirmation", [{}, {"jwk": {}}, {"jkt": 1}, {"jkt": ""}, "x", [], {"x5t#S256": None}])
def test_a_token_that_is_bound_to_what_we_do_not_know_is_refused(mint: TokenMaker, confirmation: object) -> None:
    """[RS-9449-01] [RS-8705-01]."""
    token = mint.saying({"cnf": confirmation})
    for scheme in ("Bearer", "DPoP"):
        found = guard(mint).check(shown(token, proof(token), scheme=scheme), certificate=DER)
        assert error_of(found) == (401, "invalid_token")


def test_a_token_that_is_bound_twice_needs_both(mint: TokenMaker) -> None:
    """[RS-9449-01] [RS-8705-01]."""
    token = mint.saying({"cnf": {"jkt": JKT, "x5t#S256": X5T, "another": 1}})
    request = shown(token, proof(token))
    assert error_of(guard(mint).check(request)) == (401, "invalid_token")
    assert error_of(guard(mint).check(shown(token, scheme="Bearer"), certificate=DER)) == (401, "invalid_token")
    assert isinstance(guard(mint).check(request, certificate=DER), Principal)


def test_a_denial_says_nothing_of_the_proof(mint: TokenMaker) -> None:
    """[RS-9700-02]."""
    token = bound(mint)
    request = shown(token, proof(token, OTHER))
    found = guard(mint).check(request)
    assert isinstance(found, Denial)
    said = json.dumps([found.response().body.decode(), *map(list, found.headers())]) + repr(found)
    assert not any(value.partition(" ")[2] in said for name, value in request.headers if name == "authorization")
    assert not any(value in said for name, value in request.headers if name == "dpop")

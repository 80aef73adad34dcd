"""Keys and key sets."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Literal

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from joserfc.jwk import ECKey, RSAKey, import_key

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.algorithms import ALGORITHMS, Algorithm
from keyfob.jose.key_formats import read_public_jwk
from keyfob.jose.keys import KeySet, PublicKey, SigningKey
from keyfob.jose.proofs import read_proof, write_proof
from keyfob.jose.sealed import derive, seal, stretch, unseal, unseal_any
from keyfob.jose.tokens import read_header, take_apart
from keyfob.protocol.base64url import base64url
from keyfob.protocol.dpop import Proof
from keyfob.protocol.fields import Fields

# RFC 7638 §3.1
RFC_KEY = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
    "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_survives_its_pem_and_publishes_no_private_part(algorithm: Algorithm) -> None:
    """[AS-7517-01] [AS-OIDC-03]."""
    key = SigningKey.generate(algorithm)
    again = SigningKey.from_pem(key.pem(), algorithm)
    assert again.key_id == key.key_id
    published = key.public_jwk()
    assert not published.keys() & {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
    assert (published["alg"], published["use"], published["kid"]) == (algorithm, "sig", key.key_id)
    assert PublicKey.read(published).fits(algorithm)


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"key_ops": ["sign"]},
        {"alg": "ES256"},
        {"alg": "RSA-OAEP"},
        {"n": "AQAB"},
        {"e": 7},
        {"kty": "AKP"},
        {"n": ""},
    ],
)
def test_a_key_that_will_not_do_is_skipped_and_the_rest_of_the_set_works(change: dict[str, object]) -> None:
    """[RS-7517-01] [RS-7518-01]."""
    good = SigningKey.generate("ES256").public_jwk()
    found = KeySet.read(Fields({"keys": [{**RFC_KEY, **change}, "text", good]}, "keys"))
    assert [key.key_id for key in found.keys] == [good["kid"]]


@pytest.mark.parametrize(
    ("change", "says", "field"),
    [
        ({"kty": "oct"}, "not of a kind we verify with", "kty"),
        ({"use": "enc"}, "not meant for verifying", "use"),
        ({"key_ops": ["sign"]}, "not meant for verifying", "use"),
        ({"alg": "ES256"}, "alg does not fit it", "alg"),
        ({"alg": "RSA-OAEP"}, "alg does not fit it", "alg"),
        ({"n": "A" * 685}, "its modulus or exponent is too large", "n"),
        ({"e": "A" * 7}, "its modulus or exponent is too large", "n"),
    ],
)
def test_a_key_that_will_not_do_says_why(change: dict[str, object], says: str, field: str) -> None:
    """RFC 7517 §5."""
    with pytest.raises(Malformed, match=rf"^key: {says}$") as refused:
        PublicKey.read(RFC_KEY | change)
    assert refused.value.field == field


def test_a_key_that_names_no_algorithm_fits_those_of_its_type_alone() -> None:
    """RFC 8725 §3.1."""
    key = PublicKey.read(RFC_KEY)
    assert [algorithm for algorithm in ALGORITHMS if key.fits(algorithm)] == ["RS256", "PS256"]


@pytest.mark.parametrize(
    ("algorithm", "members"), [("RS256", "kty n e"), ("ES256", "kty crv x y"), ("Ed25519", "kty crv x")]
)
def test_a_proof_brings_the_public_key_and_no_more_than_that(algorithm: Algorithm, members: str) -> None:
    """RFC 9449 §4.2."""
    key = SigningKey.generate(algorithm)
    said = Proof("one", "GET", "https://api.example/", datetime(2030, 1, 1, tzinfo=UTC))
    sent = write_proof(said, key)
    assert read_proof(sent) == (said, key.key_id)
    jwk = read_header(take_apart(sent)).values["jwk"]
    assert isinstance(jwk, dict)
    assert set(jwk) == set(members.split())


def test_a_key_of_4096_bits_is_read() -> None:
    large = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    modulus = base64url((1 << 4095 | large.n).to_bytes(512))
    key = PublicKey.read({"kty": "RSA", "n": modulus, "e": "AQABAQ", "key_ops": ["verify"], "use": "sig"})
    assert isinstance(key.handle, rsa.RSAPublicKey)
    assert key.handle.key_size == 4096


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()], ids=lambda curve: curve.name)
def test_a_key_on_another_curve_is_no_key_for_es256(curve: ec.EllipticCurve) -> None:
    """RFC 7518 §3.4."""
    jwk = ECKey.import_key(public_pem(ec.generate_private_key(curve))).as_dict()
    with pytest.raises(Malformed, match="not of a kind we verify with"):
        PublicKey.read(jwk)
    with pytest.raises(Malformed):
        PublicKey.read({**jwk, "crv": "P-256"})


@pytest.mark.parametrize("members", [{}, {"keys": {}}, {"keys": None}, {"keys": "x"}])
def test_a_key_set_without_keys_is_refused(members: dict[str, object]) -> None:
    with pytest.raises(Malformed) as refused:
        KeySet.read(Fields(members, "keys"))
    assert refused.value.field == "keys"


def test_a_key_is_chosen_by_its_name_and_only_a_single_one_without() -> None:
    """[RS-IMPL-01]."""
    one, two = (SigningKey.generate("ES256").public_key() for _ in range(2))
    assert KeySet((one, two)).choose("ES256", two.key_id) == two
    assert KeySet((one,)).choose("ES256", None) == one
    assert KeySet((one,)).choose("ES256", "other") is None
    assert KeySet((one,)).choose("RS256", one.key_id) is None
    with pytest.raises(InvalidToken) as refused:
        KeySet((one, two)).choose("ES256", None)
    assert refused.value.check == "key"


@pytest.mark.parametrize(
    ("algorithm", "usual", "kind"),
    [("PS256", "RS256", "RSA"), ("ES256", "ES256", "EC"), ("Ed25519", "Ed25519", "OKP")],
)
def test_a_private_key_is_read_with_its_algorithm_or_the_usual_one_of_its_type(
    algorithm: Algorithm, usual: Algorithm, kind: Literal["RSA", "EC", "OKP"]
) -> None:
    key = SigningKey.generate(algorithm)
    read, key_id = SigningKey.read(key.pem())
    assert (read.algorithm, read.key_id, key_id) == (usual, key.key_id, None)

    private = import_key(key.pem(), kind).as_dict(private=True)
    read, key_id = SigningKey.read(json.dumps({**private, "alg": algorithm, "kid": "mine"}).encode())
    assert (read.algorithm, read.key_id, key_id) == (algorithm, key.key_id, "mine")
    read, key_id = SigningKey.read(b"  " + json.dumps(private).encode())
    assert (read.algorithm, key_id) == (usual, None)


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_private_key_that_does_not_fit_is_refused() -> None:
    """[AS-7518-02]."""
    unfit = [
        b"no key",
        pem_of(rsa.generate_private_key(65537, 1024)),
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(dsa.generate_private_key(2048)),
        SigningKey.generate("ES256").pem(),
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        ),
    ]
    for pem in unfit:
        with pytest.raises(Malformed) as refused:
            SigningKey.from_pem(pem, "RS256")
        assert refused.value.field in {"key", "kty", "alg"}


def test_the_thumbprint_is_that_of_the_rfc() -> None:
    """RFC 7638 §3.1."""
    key = PublicKey.read(RFC_KEY | {"kid": "2011-04-29", "alg": "RS256"})
    assert key.fits("RS256")
    assert not key.fits("PS256")
    assert RSAKey.import_key(RFC_KEY).thumbprint() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_sealed_box_opens_with_its_key_and_context_only() -> None:
    key = derive(b"m" * 32, "signing keys")
    box = seal(b"plain", key, nonce=b"n" * 12, context="signing-key 1")
    assert unseal(box, key, context="signing-key 1") == b"plain"
    assert derive(b"m" * 32, "other") != key
    attempts = [
        (box, derive(b"m" * 32, "other"), "signing-key 1"),
        (box, key, "signing-key 2"),
        (box[:-1] + bytes([box[-1] ^ 1]), key, "signing-key 1"),
        (b"kf2" + box[3:], key, "signing-key 1"),
        (b"", key, "signing-key 1"),
        (b"kf1", key, "signing-key 1"),
    ]
    for damaged, wrong, context in attempts:
        with pytest.raises(Malformed) as refused:
            unseal(damaged, wrong, context=context)
        assert refused.value.field == "signing-key"


def test_what_any_of_several_keys_encrypted_is_decrypted() -> None:
    keys = [derive(bytes([number]) * 32, "signing keys") for number in range(3)]
    for key in keys:
        box = seal(b"plain", key, nonce=b"n" * 12, context="c")
        assert unseal_any(box, keys, context="c") == b"plain"
    with pytest.raises(Malformed, match="cannot be decrypted"):
        unseal_any(box, keys[:2], context="c")


def test_a_stretched_passphrase_depends_on_each_of_its_inputs() -> None:
    """Equal inputs give equal keys, and each input matters."""
    key = stretch(b"correct horse", b"salt", cost=4)
    assert len(key) == 32
    assert key == stretch(b"correct horse", b"salt", cost=4)
    others = stretch(b"correct horsf", b"salt", cost=4), stretch(b"correct horse", b"salu", cost=4)
    assert key not in {*others, stretch(b"correct horse", b"salt", cost=5)}


def test_a_passphrase_is_stretched_as_the_standard_does_it() -> None:
    """RFC 7914 §12, the vector with N = 2^14, r = 8 and p = 1."""
    key = stretch(b"pleaseletmein", b"SodiumChloride", cost=14)
    assert key.hex() == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"


def test_random_bytes_make_each_private_number_below_the_order_and_never_zero() -> None:
    """FIPS 186-5 A.2.1."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for number, expected in ((0, 1), (order - 2, order - 1), (order - 1, 1), (order, 2)):
        handle = SigningKey.from_chance("ES256", number.to_bytes(48)).handle
        assert isinstance(handle, ec.EllipticCurvePrivateKey)
        assert handle.private_numbers().private_value == expected


def public_pem(key: object) -> bytes:
    handle: ec.EllipticCurvePrivateKey = key  # type: ignore[assignment]
    return handle.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_a_public_key_is_found_in_pem_and_as_a_jwk() -> None:
    key = SigningKey.generate("ES256")
    known = {name: key.public_jwk()[name] for name in ("kty", "crv", "x", "y")}

    found = PublicKey.find_jwk(public_pem(key.handle))

    assert {name: found[name] for name in known} == known
    assert PublicKey.find_jwk(b"  " + json.dumps(known).encode()) == known


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"-----BEGIN PUBLIC KEY-----", "not a public key in PEM"),
        (b"", "not a public key in PEM"),
        (public_pem(dsa.generate_private_key(1024)), "not of a kind we verify with"),
        (b"{", "^key: not JSON"),
    ],
)
def test_a_file_without_a_usable_public_key_says_why(text: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says) as refused:
        PublicKey.find_jwk(text)
    assert refused.value.field == ("" if text == b"{" else "key")


def bare(key: SigningKey) -> dict[str, object]:
    return {name: key.public_jwk()[name] for name in ("kty", "crv", "x")}


@pytest.mark.parametrize(
    ("jwk", "says"),
    [
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "too short"),
        ({"kty": "RSA", "n": "A" * 200 + RFC_KEY["n"][:170] + "Q", "e": "AQAB"}, "too short"),
        ({**RFC_KEY, "n": RFC_KEY["n"][:-1] + "ü"}, "cannot be read"),
        ({**RFC_KEY, "e": 7}, "cannot be read"),
        ({"kty": "EC", "crv": "P-256", "x": "AA"}, "cannot be read"),
        ({**bare(SigningKey.generate("Ed25519")), "crv": "P-384"}, "cannot be read"),
        ({"kty": "AKP"}, "cannot be read"),
        ({**bare(SigningKey.generate("Ed25519")), "crv": "X25519"}, "not of a kind we verify with"),
    ],
)
def test_a_public_key_that_cannot_be_used_says_why(jwk: dict[str, object], says: str) -> None:
    """[RS-7518-01]: an RSA key of 2048 bits at least, however long it is written."""
    with pytest.raises(Malformed, match=says) as refused:
        read_public_jwk(jwk)
    assert refused.value.field == ("n" if says == "too short" else "kty")


@pytest.mark.parametrize(
    ("jwk", "says"),
    [
        ({"kty": "oct", "k": "AA"}, "not of a kind we sign with"),
        ({"kty": "RSA", "n": "A" * 200 + RFC_KEY["n"][:170] + "Q", "e": "AQAB", "d": "AQAB"}, "too short"),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}, "cannot be read"),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "d": "AA"}, "cannot be read"),
        ({**bare(SigningKey.generate("Ed25519")), "crv": "P-384", "d": "AA"}, "cannot be read"),
        ({**bare(SigningKey.generate("Ed25519")), "crv": "X25519", "d": "A" * 43}, "not of a kind we sign with"),
    ],
)
def test_a_private_key_that_cannot_be_used_says_why(jwk: dict[str, object], says: str) -> None:
    with pytest.raises(Malformed, match=says) as refused:
        SigningKey.read(json.dumps(jwk).encode())
    assert refused.value.field == ("n" if says == "too short" else "kty")

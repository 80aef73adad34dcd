"""The standards' own worked examples, typed in: they need no file beside the project."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keyfob.errors import InvalidToken
from keyfob.jose.keys import KeySet, SigningKey
from keyfob.jose.tokens import Unverified, believe, sign, take_apart
from keyfob.protocol.fields import read_form
from keyfob.protocol.http import form_request
from keyfob.protocol.secret import Secret
from tests.vectors.judging import HOLDS, judge, judge_signature, keys_of
from tests.vectors.plain import decoded, number

NOT_LISTED = "the token's algorithm is not on the list"
JOE = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
CLAIMS = {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}

# RFC 7517 App. A.2, of which RFC 7638 §3.1 shows the public half.
RSA_N = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
    "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5haj"
    "rn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
)
RSA_D = (
    "X4cTteJY_gn4FYPsXB8rdXix5vwsg1FLN5E3EaG6RJoVH-HLLKD9M7dx5oo7GURknchnrRweUkC7hT5fJLM0WbFAKNLWY2vv7B6NqXSzUvxT0_YSfqi"
    "jwp3RTzlBaCxWp4doFk5N2o8Gy_nHNKroADIkJ46pRUohsXywbReAdYaMwFs9tv8d_cPVY3i07a3t8MN6TNwm0dSawm9v47UiCl3Sk5ZiG7xojPLu4sb"
    "g1U2jx4IBTNBznbJSzFHK66jT8bgkuqsk0GjskDJk19Z4qwjwbsnn4j2WBii3RL-Us2lGVkY8fkFzme1z0HbIkfz0Y6mqnOYtqc0X4jfcKoAC8Q"
)

# RFC 7515 App. A.2 and A.3
RS256_KEY = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ"
    "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca"
    "pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h"
    "4FRWyuXpoQ",
    "e": "AQAB",
}
RS256_SIGNATURE = (
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dn"
    "ZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC"
    "-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
ES256_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
ES256_SIGNATURE = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
TOKENS = {
    "RS256": (f"eyJhbGciOiJSUzI1NiJ9.{JOE}.{RS256_SIGNATURE}", RS256_KEY),
    "ES256": (f"eyJhbGciOiJFUzI1NiJ9.{JOE}.{ES256_SIGNATURE}", ES256_KEY),
}

# RFC 8037 App. A.1-A.5
ED25519_D = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
ED25519_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
ED25519_SIGNED = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
ED25519_SIGNATURE = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"


def rsa_key() -> rsa.RSAPrivateKey:
    n, d, e = number(RSA_N), number(RSA_D), 65537
    p, q = rsa.rsa_recover_prime_factors(n, e, d)
    iqmp = rsa.rsa_crt_iqmp(p, q)
    public = rsa.RSAPublicNumbers(e, n)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), iqmp, public).private_key()


def ed25519_key() -> SigningKey:
    return SigningKey.of(Ed25519PrivateKey.from_private_bytes(decoded(ED25519_D)), "Ed25519")


def test_a_keys_id_is_the_thumbprint_of_rfc_7638() -> None:
    """RFC 7638 §3.1: members beside the required ones, such as alg and use, do not count."""
    key = SigningKey.of(rsa_key(), "RS256")
    assert key.key_id == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert key.public_jwk() == {"kty": "RSA", "n": RSA_N, "e": "AQAB", "alg": "RS256", "use": "sig", "kid": key.key_id}
    assert SigningKey.of(rsa_key(), "PS256").key_id == key.key_id


def test_an_ed25519_keys_id_is_the_thumbprint_of_rfc_8037() -> None:
    """RFC 8037 App. A.1-A.3."""
    key = ed25519_key()
    assert key.key_id == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert {key.public_jwk()[name] for name in ("kty", "crv", "x")} == {"OKP", "Ed25519", ED25519_X}


def test_the_signature_of_rfc_8037_holds_and_its_token_is_refused() -> None:
    """RFC 8037 App. A.4-A.5: its header says EdDSA; RFC 9864 has Ed25519, which says all."""
    keys = keys_of({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X})
    assert judge(f"{ED25519_SIGNED}.{ED25519_SIGNATURE}", keys) == NOT_LISTED
    text = b"Example of Ed25519 signing"
    part = Unverified("Ed25519", None, "", ED25519_SIGNED.encode(), text, decoded(ED25519_SIGNATURE))
    assert judge_signature(part, keys) == HOLDS
    damaged = replace(part, signature=part.signature[:-1] + b"\0")
    assert judge_signature(damaged, keys) == "the token's signature does not hold"


def test_what_the_key_of_rfc_8037_signs_here_is_named_ed25519_and_holds() -> None:
    token = sign({"iss": "joe"}, ed25519_key(), token_type="JWT")
    assert json.loads(decoded(token.reveal().partition(".")[0]))["alg"] == "Ed25519"
    assert judge(token.reveal(), KeySet((ed25519_key().public_key(),))) == HOLDS


@pytest.mark.parametrize("name", TOKENS)
def test_the_tokens_of_rfc_7515_are_believed(name: str) -> None:
    """RFC 7515 App. A.2 and A.3."""
    token, jwk = TOKENS[name]
    [key] = keys_of(jwk).keys
    assert believe(take_apart(Secret(token)), key).values == CLAIMS


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_of_rfc_7515_with_the_others_signature_is_refused(name: str) -> None:
    token, jwk = TOKENS[name]
    header, payload, _ = token.split(".")
    [other] = [known.rpartition(".")[2] for known, _ in TOKENS.values() if known != token]
    assert judge(f"{header}.{payload}.{other}", keys_of(jwk)) == "the token's signature does not hold"


def test_the_unsecured_token_of_rfc_7519_is_refused() -> None:
    """[RS-7515-02] [RS-8725-01]: RFC 7519 §6.1."""
    token = f"eyJhbGciOiJub25lIn0.{JOE}."
    assert json.loads(decoded(JOE)) == CLAIMS
    with pytest.raises(InvalidToken, match=NOT_LISTED):
        take_apart(Secret(token))


def test_the_token_of_rfc_7519_that_is_signed_with_a_shared_secret_is_refused() -> None:
    """RFC 7519 §3.1: its signature does hold, and still a server that checks it could as well have made it."""
    signed = f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}"
    signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    assert hmac.digest(decoded(secret), signed.encode(), hashlib.sha256) == decoded(signature)
    assert judge(f"{signed}.{signature}", keys_of({"kty": "oct", "k": secret})) == NOT_LISTED


def test_the_form_of_rfc_6749_is_written_and_read() -> None:
    """[C-6749-02]: RFC 6749 App. B."""
    plain, encoded = " %&+£€", b"+%25%26%2B%C2%A3%E2%82%AC"
    assert form_request("https://login.example/", {"scope": plain}).body == b"scope=" + encoded
    assert read_form(b"scope=" + encoded, "form").text("scope") == plain

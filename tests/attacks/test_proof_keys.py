"""DPoP proofs bring their own key, whose arithmetic must be cheap."""

from __future__ import annotations

import base64
import json

import pytest

from keyfob.errors import InvalidToken
from keyfob.jose.proofs import read_proof
from keyfob.protocol.secret import Secret


def number(bits: int, first: int = 0xC1) -> str:
    raw = bytes([first]) + b"\xab" * (bits // 8 - 2) + b"\x01"
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def proof_with(n: str, e: str) -> Secret:
    header = {"typ": "dpop+jwt", "alg": "PS256", "jwk": {"kty": "RSA", "n": n, "e": e}}
    payload = {"jti": "x", "htm": "POST", "htu": "https://a.example/", "iat": 1}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, payload)]
    return Secret(".".join([*parts, number(3072)]))


@pytest.mark.parametrize(
    ("n", "e"),
    [
        (number(3072), number(3064)),
        (number(3072), number(64)),
        (number(8192), "AQAB"),
        (number(16384), "AQAB"),
    ],
    ids=["huge exponent", "long exponent", "8192 bits", "16384 bits"],
)
def test_a_large_rsa_key_is_refused_before_any_arithmetic(n: str, e: str) -> None:
    """[FS-16] A proof with an exponent of 3,064 bits took 8.4 ms of the event loop."""
    with pytest.raises(InvalidToken, match="too large"):
        read_proof(proof_with(n, e))


def test_a_usual_rsa_key_is_read() -> None:
    """[FS-16] Up to 4,096 bits, so that it is the signature that is refused here."""
    for bits in (2048, 3072, 4096):
        with pytest.raises(InvalidToken) as refused:
            read_proof(proof_with(number(bits), "AQAB"))
        assert "too large" not in refused.value.message

"""JWTs that bring their own key: proofs of possession (RFC 9449 §4.2-4.3, §8, §11.1)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.algorithms import ALGORITHMS, Algorithm
from keyfob.jose.keys import PublicKey, SigningKey, thumbprint
from keyfob.jose.tokens import believe, read_header, sign, take_apart
from keyfob.protocol.dpop import DPOP_JWT, Proof, hash_of, normal
from keyfob.protocol.secret import Secret

WINDOW: Final = timedelta(minutes=5)  # a nonce is good in the window it was given in, and in the next one
OLDEST: Final = timedelta(minutes=2)
NEWEST: Final = timedelta(seconds=30)
LONGEST_ID: Final = 200
_NONCE_BYTES: Final = 16
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class Possession:
    """Proven: whoever asks holds the key. `mark` may be used once until `until`."""

    key_thumbprint: str
    mark: str
    until: datetime


@dataclass(frozen=True, slots=True)
class NonceNeeded:
    """The proof is sound, but its freshness is to be shown by a nonce of ours."""


@dataclass(frozen=True, slots=True)
class Nonces:
    """The nonces that one party asks for.

    Attributes:
        key: Makes them.
        are_needed: Whether freshness must be shown by one; else one that is shown must still be ours.
    """

    key: bytes
    are_needed: bool


def nonce_at(key: bytes, now: datetime, ago: int = 0) -> str:
    """The nonce to be used now: unpredictable to others, and the same on every node."""
    window = int(now.timestamp() // WINDOW.total_seconds()) - ago
    made = hmac.digest(key, struct.pack(">Q", window), "sha256")[:_NONCE_BYTES]
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode("ascii")


def judge_proof(
    shown: Secret,
    *,
    method: str,
    address: str,
    now: datetime,
    nonces: Nonces | None = None,
    access_token: Secret | None = None,
    algorithms: tuple[Algorithm, ...] = ALGORITHMS,
) -> Possession | NonceNeeded:
    """Judge a proof.

    Args:
        shown: The DPoP header.
        method: Of the request.
        address: Of the request, as our own configuration has it.
        now: Aware, UTC.
        nonces: Ours; None where we never gave any, and then one in the proof says nothing.
        access_token: What the proof must be bound to, where one comes with it.
        algorithms: The only ones accepted.

    Raises:
        InvalidToken: Says which check failed.
    """
    proof, key_thumbprint = read_proof(shown, algorithms)
    if proof.method != method or normal(proof.address) != normal(address):
        raise InvalidToken("the proof is for another request")
    if len(proof.token_id) > LONGEST_ID:
        raise InvalidToken("the proof's jti is too long")
    if access_token is not None and not _is_hash_of(access_token, proof.token_hash or ""):
        raise InvalidToken("the proof is for another token")
    if nonces is not None:
        if proof.nonce is None and nonces.are_needed:
            return NonceNeeded()
        if proof.nonce is not None and proof.nonce not in {nonce_at(nonces.key, now), nonce_at(nonces.key, now, 1)}:
            return NonceNeeded()
    if not now - OLDEST <= proof.issued_at <= now + NEWEST:
        raise InvalidToken("the proof is too old, or from the future")
    return Possession(key_thumbprint, _mark(key_thumbprint, proof.token_id), now + OLDEST + NEWEST)


def _is_hash_of(token: Secret, shown: str) -> bool:
    return hmac.compare_digest(shown.encode("ascii", "replace"), hash_of(token).encode("ascii"))


def _mark(key_thumbprint: str, token_id: str) -> str:
    """Of one length, whatever the `jti` holds: JSON can spell letters that UTF-8 cannot."""
    return hashlib.sha256(f"dpop {key_thumbprint} {token_id}".encode("utf-8", "surrogatepass")).hexdigest()


def read_proof(proof: Secret, algorithms: tuple[Algorithm, ...] = ALGORITHMS) -> tuple[Proof, str]:
    """What a proof says, and the thumbprint of the key that signed it.

    Judges form and signature; method, address, time and nonce are `judge_proof`'s, and replay the caller's.

    Raises:
        InvalidToken: It is no well-formed proof, brings a private key, or its signature does not hold.
    """
    unverified = take_apart(proof, algorithms)
    if unverified.type != DPOP_JWT:
        raise InvalidToken("the proof is not of type dpop+jwt")
    jwk = read_header(unverified).values.get("jwk")
    if not isinstance(jwk, dict) or _PRIVATE & cast("dict[str, object]", jwk).keys():
        raise InvalidToken("the proof does not bring a public key")
    public = cast("Mapping[str, object]", jwk)
    try:
        claims = Proof.read(believe(unverified, PublicKey.read(public)))
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    return claims, thumbprint(public)


def write_proof(proof: Proof, key: SigningKey) -> Secret:
    """A proof, signed, with its public key in the header."""
    jwk = {name: value for name, value in key.public_jwk().items() if name in {"kty", "crv", "n", "e", "x", "y"}}
    return sign(proof.write(), key, token_type=DPOP_JWT, header={"jwk": jwk})

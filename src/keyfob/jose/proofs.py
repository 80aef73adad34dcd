"""Signing and validation of DPoP proofs (RFC 9449 §4.2-4.3, §8, §11.1)."""

from __future__ import annotations

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
from keyfob.protocol.base64url import base64url
from keyfob.protocol.dpop import DPOP_JWT, Proof, hash_of, normal
from keyfob.protocol.secret import Secret

WINDOW: Final = timedelta(minutes=5)  # a nonce is valid in the time window of its issue, and in the next time window
OLDEST: Final = timedelta(minutes=2)
NEWEST: Final = timedelta(seconds=30)
LONGEST_ID: Final = 200
_NONCE_BYTES: Final = 16
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class Possession:
    """The result of a valid proof. The caller must refuse another proof with the same replay key.

    Attributes:
        key_thumbprint: The JWK thumbprint of the key that the sender has.
        mark: The replay key, a hash of the proof's `jti` and key.
        until: The time from which the proof is too old, so that the replay key need not be stored longer.
    """

    key_thumbprint: str
    mark: str
    until: datetime


@dataclass(frozen=True, slots=True)
class NonceNeeded:
    """The result of a proof that is refused only because it lacks a current nonce of the server."""


@dataclass(frozen=True, slots=True)
class Nonces:
    """The nonces of one server.

    Attributes:
        key: The key that the nonces are derived from.
        are_needed: Whether a proof must contain a nonce. If False, a nonce is validated only if the proof contains one.
    """

    key: bytes
    are_needed: bool


def nonce_at(key: bytes, now: datetime, ago: int = 0) -> str:
    """Return the nonce of the current time window, or of a window that began `ago` windows before.

    A nonce is unpredictable without the key, and the same on every node.
    """
    window = int(now.timestamp() // WINDOW.total_seconds()) - ago
    made = hmac.digest(key, struct.pack(">Q", window), "sha256")[:_NONCE_BYTES]
    return base64url(made)


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
    """Validate a DPoP proof.

    Args:
        shown: The value of the DPoP header.
        method: The HTTP method of the request.
        address: The URL of the request, built from the server's own configuration.
        now: The current time; aware, UTC.
        nonces: The server's nonces. With None, the server issues no nonces, and a nonce in the proof is ignored.
        access_token: The access token of the request, which the proof must match; None if there is none.
        algorithms: The accepted algorithms.

    Raises:
        InvalidToken: The proof is not valid. The message names the failed check.
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
    """Return the replay key of a proof: a hash, whose length does not depend on the `jti`."""
    return hashlib.sha256(f"dpop {key_thumbprint} {token_id}".encode()).hexdigest()


def read_proof(proof: Secret, algorithms: tuple[Algorithm, ...] = ALGORITHMS) -> tuple[Proof, str]:
    """Verify the signature of a proof. Return the proof's claims, and the thumbprint of its key.

    `judge_proof` validates the method, URL, time and nonce. The caller must detect replays.

    Raises:
        InvalidToken: The proof is not well formed, contains a private key, or its signature is not valid.
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
    """Sign a proof. The public key is in the header of the proof."""
    jwk = {name: value for name, value in key.public_jwk().items() if name in {"kty", "crv", "n", "e", "x", "y"}}
    return sign(proof.write(), key, token_type=DPOP_JWT, header={"jwk": jwk})

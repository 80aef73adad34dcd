"""Decide about a proof of possession (RFC 9449 §4.3, §8, §11.1)."""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import InvalidToken
from keyfob.jose.proofs import read_proof
from keyfob.protocol.dpop import hash_of, normal
from keyfob.protocol.secret import Secret
from keyfob.server.keyed_hash import keyed_hash, write_token

WINDOW: Final = timedelta(minutes=5)  # a nonce is good in the window it was given in, and in the next one
OLDEST: Final = timedelta(minutes=2)
NEWEST: Final = timedelta(seconds=30)
LONGEST_ID: Final = 200


@dataclass(frozen=True, slots=True)
class Possession:
    """Proven: whoever asks holds the key. `mark` may be used once until `until`."""

    key_thumbprint: str
    mark: str
    until: datetime


@dataclass(frozen=True, slots=True)
class NonceNeeded:
    """The proof is sound, but its freshness is to be shown by a nonce of ours."""


def nonce_at(key: bytes, now: datetime, ago: int = 0) -> str:
    """The nonce to be used now: unpredictable to others, and the same on every node."""
    window = int(now.timestamp() // WINDOW.total_seconds()) - ago
    return write_token(keyed_hash(key, struct.pack(">Q", window))[:16])


def decide_proof(
    shown: Secret,
    *,
    method: str,
    address: str,
    now: datetime,
    nonce_key: bytes,
    needs_nonce: bool,
    access_token: Secret | None = None,
) -> Possession | NonceNeeded:
    """Decide about a proof.

    Args:
        shown: The DPoP header.
        method: Of the request.
        address: Of the request, as our own configuration has it.
        now: Aware, UTC.
        nonce_key: Makes our nonces.
        needs_nonce: Whether freshness must be shown by one.
        access_token: What the proof must be bound to, where one comes with it.

    Raises:
        InvalidToken: Says which check failed.
    """
    proof, thumbprint = read_proof(shown)
    if proof.method != method or normal(proof.address) != normal(address):
        raise InvalidToken("the proof is for another request")
    if len(proof.token_id) > LONGEST_ID:
        raise InvalidToken("the proof's jti is too long")
    if access_token is not None and not hmac.compare_digest(proof.token_hash or "", hash_of(access_token)):
        raise InvalidToken("the proof is for another token")
    if proof.nonce is None and needs_nonce:
        return NonceNeeded()
    if proof.nonce is not None and proof.nonce not in {nonce_at(nonce_key, now), nonce_at(nonce_key, now, 1)}:
        return NonceNeeded()
    if not now - OLDEST <= proof.issued_at <= now + NEWEST:
        raise InvalidToken("the proof is too old, or from the future")
    return Possession(thumbprint, f"dpop {thumbprint} {proof.token_id}", now + OLDEST + NEWEST)

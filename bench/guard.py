"""Verifying a token: the whole of `keyfob.guard` beside a bare signature check and joserfc alone."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jwk, jwt
from measure import show, side_by_side

from keyfob.guard import Policy, verify
from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import KeySet, SigningKey
from keyfob.protocol.scope import Scope
from keyfob.testing.flawed_tokens import Mint

ISSUER, AUDIENCE = "https://login.example/", "https://api.example/"


def main() -> None:
    """Print verifications per second."""
    for algorithm in ("RS256", "ES256"):
        _one(cast(Algorithm, algorithm))


def _one(algorithm: Algorithm) -> None:
    now = datetime.now(UTC)
    key = SigningKey.generate(algorithm)
    token = Mint(ISSUER, AUDIENCE, key, key, now, Scope.of(["read:orders"])).good()
    keys, policy = KeySet((key.public_key(),)), Policy(ISSUER, AUDIENCE, (algorithm,))
    text = token.reveal()
    signed, _, signature = text.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    public = key.handle.public_key()
    imported = jwk.import_key(json.loads(json.dumps(key.public_jwk())))

    def bare() -> None:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(public, ec.EllipticCurvePublicKey):
            der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
            public.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))

    taken = side_by_side(
        {
            f"bare {algorithm}": bare,
            f"keyfob.guard verify, {algorithm}": lambda: verify(token, keys, policy, now),
            f"joserfc decode, {algorithm}": lambda: jwt.decode(text, imported, algorithms=[algorithm]),
        }
    )
    show(taken, beside=f"bare {algorithm}")

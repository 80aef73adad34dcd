"""JWTs that bring their own key: proofs of possession (RFC 9449 §4.2-4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.keys import PublicKey, SigningKey, thumbprint
from keyfob.jose.tokens import believe, read_header, sign, take_apart
from keyfob.protocol.dpop import DPOP_JWT, Proof
from keyfob.protocol.secret import Secret

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def read_proof(proof: Secret) -> tuple[Proof, str]:
    """What a proof says, and the thumbprint of the key that signed it.

    Judges form and signature; method, address, time, nonce and replay are `decide_proof`'s.

    Raises:
        InvalidToken: It is no well-formed proof, brings a private key, or its signature does not hold.
    """
    unverified = take_apart(proof)
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

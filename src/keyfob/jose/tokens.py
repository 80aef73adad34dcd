"""Parsing, verifying and signing JWTs (RFC 7515, RFC 7519, RFC 8725).

This module calls `cryptography` directly to sign and verify. joserfc would verify a third fewer signatures per second
(docs/decisions/0010-signatures.md).
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.algorithms import ALGORITHMS, ES256_SIGNATURE_BYTES, Algorithm, named
from keyfob.jose.keys import PublicKey, SigningKey
from keyfob.light import light_dataclass
from keyfob.protocol.base64url import base64url_bytes
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.json_text import write_json
from keyfob.protocol.secret import Secret

LONGEST_TOKEN: Final = 16 * 1024
# Maps base64url to base64, which binascii needs. Characters that are valid only in base64 become invalid ones.
_STANDARD: Final = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING: Final = (b"", b"===", b"==", b"=")  # by the length modulo 4. No padding makes a remainder of 1 valid.
_SHA256: Final = hashes.SHA256()
_PKCS1: Final = padding.PKCS1v15()
_PSS: Final = padding.PSS(padding.MGF1(_SHA256), 32)  # RFC 7518 §3.5: the salt is as long as the hash


@light_dataclass(frozen=True, slots=True)
class Unverified:
    """The parts of a token whose signature is not verified and whose payload is not parsed."""

    algorithm: Algorithm
    key_id: str | None
    type: str
    signing_input: bytes
    payload: bytes
    signature: bytes


def looks_signed(token: Secret) -> bool:
    """Return whether a token has the form of a compact JWS. A token of another form is opaque to all but its issuer."""
    return token.reveal().count(".") == 2


def take_apart(token: Secret, allowed: tuple[Algorithm, ...] = ALGORITHMS) -> Unverified:
    """Split a compact JWS and read its header, ignoring `jwk`, `jku`, `x5u` and `x5c` (RFC 8725 §3.10).

    Args:
        token: The token.
        allowed: The accepted algorithms.

    Raises:
        InvalidToken: The token is not a compact JWS, its algorithm is not accepted, or it has a critical extension.
    """
    raw = token.reveal().encode("utf-8", "replace")
    if len(raw) > LONGEST_TOKEN:
        raise InvalidToken("the token is too long", check="form")
    parts = raw.translate(_STANDARD).split(b".", 3)
    if len(parts) != 3:
        raise InvalidToken("the token is not a signed JWT", check="form")
    header, payload, signature = parts
    algorithm, key_id, token_type = _read_header(header)
    if algorithm is None or algorithm not in allowed:
        raise InvalidToken("the token's algorithm is not on the list", check="algorithm")
    signed = raw[: len(header) + 1 + len(payload)]
    return Unverified(algorithm, key_id, token_type, signed, _decode_standard(payload), _decode_standard(signature))


@lru_cache(maxsize=64)  # all tokens of an issuer have the same header, whose parsing takes a third of the time
def _read_header(part: bytes) -> tuple[Algorithm | None, str | None, str]:
    try:
        header = read_json(_decode_standard(part), "token header")
        found = named(header.text("alg")), header.optional_text("kid"), header.optional_text("typ") or ""
    except Malformed as problem:
        raise InvalidToken(problem.message, check="form") from None
    if "crit" in header.values or header.values.get("b64", True) is not True:  # RFC 7515 §4.1.11
        raise InvalidToken("the token has a critical extension that we do not know", check="crit")
    return found


def believe(unverified: Unverified, key: PublicKey) -> Fields:
    """Verify the signature and parse the claims, which the caller must validate.

    Raises:
        InvalidToken: The key does not fit the algorithm, the signature is wrong, or the payload is not a JSON object.
    """
    if not key.fits(unverified.algorithm):
        raise InvalidToken("the token's algorithm does not fit its key", check="key")
    check_signature(unverified, key)
    return read_payload(unverified)


def check_signature(unverified: Unverified, key: PublicKey) -> None:
    """Verify the signature only. The caller has checked, by `KeySet.choose`, that the key fits the algorithm.

    Raises:
        InvalidToken: The signature is not valid.
    """
    # The key type is compared by name. isinstance on these abstract classes would take as long as parsing the header.
    handle: Any = key.handle
    signature, signed = unverified.signature, unverified.signing_input
    try:
        match key.key_type:
            case "RSA":
                handle.verify(signature, signed, _PKCS1 if unverified.algorithm == "RS256" else _PSS, _SHA256)
            case "EC":
                handle.verify(_der(signature), signed, _ecdsa())
            case _:
                handle.verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise InvalidToken("the token's signature does not hold", check="signature") from None


def read_payload(unverified: Unverified) -> Fields:
    """Parse the claims, which are trustworthy only after `check_signature`.

    Raises:
        InvalidToken: The payload is not a JSON object.
    """
    try:
        return read_json(unverified.payload, "token")
    except Malformed as problem:
        raise InvalidToken(problem.message, check="claims") from None


def read_header(unverified: Unverified) -> Fields:
    """Parse the whole unverified header."""
    return read_json(_decode(unverified.signing_input.partition(b".")[0]), "token header")


def peek(token: Secret) -> tuple[Fields | None, Fields | None]:
    """Return a token's unverified header and payload, for display. An unreadable part is None."""
    parts = token.reveal().encode("utf-8", "replace").split(b".")
    return _peek(parts[0]), _peek(parts[1]) if len(parts) > 1 else None


def _peek(part: bytes) -> Fields | None:
    try:
        return read_json(_decode(part[:LONGEST_TOKEN]), "token")
    except (InvalidToken, Malformed):
        return None


def sign(
    claims: Mapping[str, object], key: SigningKey, *, token_type: str, header: Mapping[str, object] | None = None
) -> Secret:
    """Sign claims as a compact JWS.

    The JWS header contains `alg`, `typ` and `kid`. If `header` is given, its members take the place of `kid`.
    """
    if header is None:
        first = _usual_header(key.algorithm, token_type, key.key_id)
    else:
        first = base64url_bytes(write_json({"alg": key.algorithm, "typ": token_type, **header}))
    return sign_bytes(first + b"." + base64url_bytes(write_json(claims)), key)


def sign_bytes(signing_input: bytes, key: SigningKey) -> Secret:
    """Sign an encoded header and payload (RFC 7515 §5.1)."""
    return Secret((signing_input + b"." + base64url_bytes(_signature(signing_input, key))).decode("ascii"))


def _der(signature: bytes) -> bytes:
    """Convert an ECDSA signature from R and S (RFC 7518 §3.4) to DER, which `cryptography` needs."""
    if len(signature) != ES256_SIGNATURE_BYTES:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))


def _signature(signing_input: bytes, key: SigningKey) -> bytes:
    handle: Any = key.handle  # Any, since the algorithm is compared by name, as in `check_signature`
    match key.algorithm:
        case "RS256" | "PS256":
            signature: bytes = handle.sign(signing_input, _PKCS1 if key.algorithm == "RS256" else _PSS, _SHA256)
        case "ES256":
            r, s = decode_dss_signature(handle.sign(signing_input, _ecdsa()))
            signature = r.to_bytes(32) + s.to_bytes(32)
        case "Ed25519":
            signature = handle.sign(signing_input)
    return signature


@lru_cache(maxsize=1)  # created at the first use, since creating it imports a back end
def _ecdsa() -> ec.ECDSA:
    return ec.ECDSA(_SHA256)


@lru_cache(maxsize=64)  # all tokens that a key signs have the same header
def _usual_header(algorithm: str, token_type: str, key_id: str) -> bytes:
    return base64url_bytes(write_json({"alg": algorithm, "typ": token_type, "kid": key_id}))


def _decode(part: bytes) -> bytes:
    """Decode base64url. Padding, white space and characters of other alphabets are errors (RFC 7515 §2)."""
    return _decode_standard(part.translate(_STANDARD))


def _decode_standard(part: bytes) -> bytes:
    """Decode a part of a token, which the caller has converted from base64url to base64 by `_STANDARD`."""
    try:
        return binascii.a2b_base64(part + _PADDING[len(part) & 3], strict_mode=True)
    except ValueError:
        raise InvalidToken("the token is not base64url", check="form") from None

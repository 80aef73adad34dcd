"""Reading and writing keys as JWK and PEM (RFC 7517, RFC 5958).

`keys.py` imports this module on first use, since this module imports joserfc.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from keyfob.errors import Malformed
from keyfob.jose.algorithms import SMALLEST_RSA_BITS
from keyfob.jose.key_handles import PrivateHandle, PublicHandle
from keyfob.protocol.fields import Fields


def read_public_jwk(jwk: Mapping[str, object]) -> PublicHandle:
    if _is_short(jwk):
        raise Malformed("key: RSA key is too short", field="n")
    public = {name: value for name, value in jwk.items() if name in {"kty", "crv", "n", "e", "x", "y"}}
    try:
        handle = import_key(cast("dict[str, str | list[str]]", public)).public_key
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise Malformed("key: cannot be read", field="kty") from None
    if not isinstance(handle, PublicHandle):
        raise Malformed("key: not of a kind we verify with", field="kty")
    return handle


def read_pem(pem: bytes, *, is_own: bool = False) -> PrivateHandle:
    """Parse a private key in unencrypted PKCS #8.

    `is_own` means that `write_pem` wrote the key. The primes of such a key are not tested, since the test would take
    30 ms.
    """
    try:
        handle = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=is_own)
    except (ValueError, TypeError):
        raise Malformed("signing key: not a private key in PEM", field="key") from None
    if not isinstance(handle, PrivateHandle):
        raise Malformed("signing key: not of a kind we sign with", field="key")
    return handle


def read_private_jwk(jwk: Fields) -> PrivateHandle:
    if jwk.optional_text("kty") not in {"RSA", "EC", "OKP"}:
        raise Malformed("signing key: not of a kind we sign with", field="kty")
    if _is_short(jwk.values):
        raise Malformed("signing key: RSA key is too short", field="n")
    try:
        handle = import_key(cast("dict[str, str | list[str]]", jwk.values)).private_key
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise Malformed("signing key: cannot be read", field="kty") from None
    if not isinstance(handle, PrivateHandle):
        raise Malformed("signing key: not of a kind we sign with", field="kty")
    return handle


def _is_short(jwk: Mapping[str, object]) -> bool:
    """Return whether a JWK is an RSA key below the minimum size. Leading zeros of the modulus do not count.

    joserfc only warns about a short key.
    """
    if jwk.get("kty") != "RSA":
        return False
    try:
        modulus = base64.urlsafe_b64decode(f"{jwk.get('n', '')}==")
    except ValueError:
        return False  # a later step refuses this key, since it cannot be read
    return int.from_bytes(modulus).bit_length() < SMALLEST_RSA_BITS


def write_public_jwk(handle: PrivateHandle) -> dict[str, object]:
    return _public_jwk(handle.public_key())


def convert_public_pem(pem: bytes) -> dict[str, object]:
    """Return the JWK of a public key in PEM."""
    try:
        handle = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError):
        raise Malformed("key: not a public key in PEM", field="key") from None
    if not isinstance(handle, PublicHandle):
        raise Malformed("key: not of a kind we verify with", field="key")
    return _public_jwk(handle)


def _public_jwk(handle: PublicHandle) -> dict[str, object]:
    pem = handle.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    match handle:
        case rsa.RSAPublicKey():
            key: RSAKey | ECKey | OKPKey = RSAKey.import_key(pem)
        case ec.EllipticCurvePublicKey():
            key = ECKey.import_key(pem)
        case ed25519.Ed25519PublicKey():
            key = OKPKey.import_key(pem)
    return {**key.as_dict(private=False), "kid": key.thumbprint()}


def write_pem(handle: PrivateHandle) -> bytes:
    """Return a private key as unencrypted PKCS #8 in PEM."""
    return handle.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

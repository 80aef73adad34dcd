"""Opaque tokens that only their issuer can read: compact JWE, `dir` with A256GCM (RFC 7516 §3.1, RFC 7518 §4.5, §5.3).

Auth0's access tokens have the same form if /userinfo is their only audience. The form has five parts, of which the
second is empty.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keyfob.errors import InvalidToken, Malformed
from keyfob.protocol.base64url import base64url_bytes
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.json_text import write_json
from keyfob.protocol.secret import Secret

NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_LONGEST: Final = 16 * 1024


def encrypt(claims: Mapping[str, object], key: bytes, *, nonce: bytes, issuer: str) -> Secret:
    """Encrypt claims, and return them as an opaque token.

    Args:
        claims: The members of a JWT payload.
        key: 32 bytes.
        nonce: 12 random bytes, never used twice with this key.
        issuer: The value of the `iss` header, which is not encrypted.
    """
    header = base64url_bytes(write_json({"alg": "dir", "enc": "A256GCM", "iss": issuer}))
    encrypted = AESGCM(key).encrypt(nonce, write_json(claims), header)
    rest = map(base64url_bytes, (nonce, encrypted[:-_TAG_BYTES], encrypted[-_TAG_BYTES:]))
    return Secret(b".".join((header, b"", *rest)).decode("ascii"))


def is_opaque(token: Secret) -> bool:
    """Return whether a token has the five parts of a compact JWE."""
    return token.reveal().count(".") == 4


def decrypt(token: Secret, key: bytes, *, issuer: str) -> Fields:
    """Return the claims of an opaque token.

    Raises:
        InvalidToken: The token was not encrypted with this key for this issuer.
    """
    raw = token.reveal().encode("utf-8", "replace")
    parts = raw.split(b".")
    expected = base64url_bytes(write_json({"alg": "dir", "enc": "A256GCM", "iss": issuer}))
    if len(raw) > _LONGEST or len(parts) != 5 or parts[0] != expected or parts[1]:
        raise InvalidToken("the token is not an opaque token of this server")
    try:
        nonce, body, tag = (
            base64.b64decode(part + b"=" * (-len(part) % 4), b"-_", validate=True) for part in parts[2:]
        )
        return read_json(AESGCM(key).decrypt(nonce, body + tag, expected), "token")
    except (InvalidTag, ValueError, Malformed):
        raise InvalidToken("the token is not an opaque token of this server") from None

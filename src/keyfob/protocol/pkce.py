"""PKCE with S256 only (RFC 7636 §4)."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from keyfob.protocol.base64url import base64url
from keyfob.protocol.secret import Secret

S256: Final = "S256"
_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}\Z")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")


def challenge_of(verifier: Secret) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 §4.2)."""
    digest = hashlib.sha256(verifier.reveal().encode("ascii", "replace")).digest()
    return base64url(digest)


def is_challenge(text: str) -> bool:
    return bool(_CHALLENGE.match(text))


def fits(verifier: Secret, challenge: str) -> bool:
    """Return whether a verifier is well formed (RFC 7636 §4.1) and matches the challenge."""
    well_formed = bool(_VERIFIER.match(verifier.reveal()))
    return hmac.compare_digest(challenge_of(verifier), challenge) and well_formed

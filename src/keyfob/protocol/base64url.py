"""Base64url without padding (RFC 7515 §2)."""

from __future__ import annotations

import binascii
from typing import Final

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def base64url(raw: bytes) -> str:
    return base64url_bytes(raw).decode("ascii")


def base64url_bytes(raw: bytes) -> bytes:
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=")

"""The claims of a DPoP proof (RFC 9449 §4.2)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from urllib.parse import quote, urlsplit

from keyfob.protocol.base64url import base64url
from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret

DPOP_JWT: Final = "dpop+jwt"
_PORTS: Final = {"http": 80, "https": 443}
_ESCAPED: Final = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]")


@dataclass(frozen=True, slots=True)
class Proof:
    """The proof for one request.

    Attributes:
        token_hash: `ath`: the hash of the access token in the same request.
        nonce: The server's DPoP nonce.
    """

    token_id: str
    method: str
    address: str
    issued_at: datetime
    token_hash: str | None = None
    nonce: str | None = None

    def write(self) -> dict[str, object]:
        members: dict[str, object] = {
            "jti": self.token_id,
            "htm": self.method,
            "htu": self.address,
            "iat": int(self.issued_at.timestamp()),
            "ath": self.token_hash,
            "nonce": self.nonce,
        }
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(
            token_id=fields.text("jti"),
            method=fields.text("htm"),
            address=fields.text("htu"),
            issued_at=fields.time("iat"),
            token_hash=fields.optional_text("ath"),
            nonce=fields.optional_text("nonce"),
        )


def hash_of(token: Secret) -> str:
    """Return the value of `ath` for an access token (RFC 9449 §4.2)."""
    digest = hashlib.sha256(token.reveal().encode("ascii", "replace")).digest()
    return base64url(digest)


def normal(address: str) -> str:
    """Normalize a URL for the comparison with `htu` (RFC 9449 §4.3).

    Remove query, fragment and default port. Write the host in lower case. Normalize the percent-encoding (RFC 3986
    §6.2.2).
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    suffix = "" if port is None or port == _PORTS.get(parts.scheme.lower()) else f":{port}"
    return f"{parts.scheme.lower()}://{host}{suffix}{_normal_path(parts.path) or '/'}"


def _normal_path(path: str) -> str:
    if "%" in path:
        path = _ESCAPED.sub(_normal_escape, path)
    return path if path.isascii() else quote(path, safe="/%:@!$&'()*+,;=~", errors="replace")


def _normal_escape(found: re.Match[str]) -> str:
    letter = chr(int(found[0][1:], 16))
    return letter if _UNRESERVED.match(letter) else found[0].upper()

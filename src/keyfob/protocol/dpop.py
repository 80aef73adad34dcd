"""Proof of possession: what a proof says (RFC 9449 §4.2)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from urllib.parse import urlsplit

from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret

DPOP_JWT: Final = "dpop+jwt"
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proof:
    """For one request, by method and address.

    Attributes:
        token_hash: `ath`: of the access token that goes with it, at an API.
        nonce: What the server wanted in it.
    """

    token_id: str
    method: str
    address: str
    issued_at: datetime
    token_hash: str | None = None
    nonce: str | None = None

    def write(self) -> dict[str, object]:
        """As the members of a JWT payload."""
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
        """From a JWT payload.

        Raises:
            Malformed: A claim is missing or of the wrong type.
        """
        return cls(
            token_id=fields.text("jti"),
            method=fields.text("htm"),
            address=fields.text("htu"),
            issued_at=fields.time("iat"),
            token_hash=fields.optional_text("ath"),
            nonce=fields.optional_text("nonce"),
        )


def hash_of(token: Secret) -> str:
    """The value of `ath` for an access token (RFC 9449 §4.2)."""
    digest = hashlib.sha256(token.reveal().encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def normal(address: str) -> str:
    """An address as proofs are compared: without query and fragment, host in lower case, no default port (§4.3)."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    shown = "" if port is None or port == _PORTS.get(parts.scheme.lower()) else f":{port}"
    return f"{parts.scheme.lower()}://{host}{shown}{parts.path or '/'}"

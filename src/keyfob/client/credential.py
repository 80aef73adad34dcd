"""What a program proves itself with (RFC 6749 §2.3, RFC 7523 §2.2)."""

from __future__ import annotations

from dataclasses import dataclass

from keyfob.jose.keys import SigningKey
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key, and the `kid` under which the server knows it, where it has one."""

    key: SigningKey
    key_id: str | None = None


Credential = Secret | PrivateKey

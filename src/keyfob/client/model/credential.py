"""What a program proves itself with (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8693 §2.1, RFC 8705 §2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from keyfob.client.model.certificate import Certificate
from keyfob.jose.keys import SigningKey
from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key.

    Attributes:
        key_id: The `kid` under which the server knows it, where it has one.
        is_legacy: What it signs is made out to the token endpoint, for a server that wants that.
    """

    key: SigningKey
    key_id: str | None = None
    is_legacy: bool = False


@dataclass(frozen=True, slots=True)
class PlatformToken:
    """A token by which a platform says what runs on it: a job, a pod, a machine.

    Attributes:
        claims: What it says, unproven: that is for the server to judge. None where it is no JWT.
    """

    token: Secret
    claims: Fields | None = field(default=None, repr=False)


Credential = Secret | PrivateKey | PlatformToken | Certificate

"""Client credentials (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8693 §2.1, RFC 8705 §2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyfob.client.model.certificate import Certificate
from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.jose.keys import SigningKey


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key for `private_key_jwt`.

    Attributes:
        key_id: The `kid` that the server registered, if there is one.
        is_legacy: Whether the assertion's audience is the token endpoint, which older servers require.
    """

    key: SigningKey
    key_id: str | None = None
    is_legacy: bool = False


@dataclass(frozen=True, slots=True)
class PlatformToken:
    """A workload identity token: a platform's token about its job, pod or machine.

    Attributes:
        claims: The unverified claims; None if the token is not a JWT.
    """

    token: Secret
    claims: Fields | None = field(default=None, repr=False)


Credential = Secret | PrivateKey | PlatformToken | Certificate

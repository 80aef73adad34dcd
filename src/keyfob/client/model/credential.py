"""Client credentials (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8693 §2.1), and tokens bound to a certificate (RFC 8705)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyfob.errors import Malformed, Misuse
from keyfob.lazy import LazyModule
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from keyfob.jose.keys import SigningKey
    from keyfob.protocol import claims
else:  # few clients have a certificate: 2 ms
    claims = LazyModule("keyfob.protocol.claims")


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The paths of the PEM files with a client certificate and its private key.

    Attributes:
        certificate: The file with the client's certificate, followed by its chain.
        key: The file with the private key; None if the certificate's file contains the key too.
    """

    certificate: str
    key: str | None = None

    def __post_init__(self) -> None:
        """Raise `Misuse` if a path is empty."""
        if not self.certificate or self.key == "":
            raise Misuse("the name of a certificate file or key file is empty")

    @classmethod
    def of(cls, certificate: Path | str | None, key: Path | str | None) -> Self | None:
        """Return the files, or None if there is no certificate.

        Raises:
            Misuse: `key` is given without `certificate`.
        """
        if certificate is None and key is not None:
            raise Misuse("there is a certificate_key without a certificate")
        return None if certificate is None else cls(str(certificate), None if key is None else str(key))


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client certificate, which the TLS connection presents. The TLS library, not keyfob, reads the private key.

    Attributes:
        thumbprint: The certificate's `x5t#S256` (RFC 8705 §3.1).
    """

    thumbprint: str


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key for `private_key_jwt`.

    Attributes:
        key_id: The `kid` under which the server has registered the key; None for none.
        is_legacy: Whether the assertion's audience is the token endpoint, which older servers require.
    """

    key: SigningKey
    key_id: str | None = None
    is_legacy: bool = False


@dataclass(frozen=True, slots=True)
class PlatformToken:
    """A workload identity token, which a platform issues to a job, pod or machine.

    Attributes:
        claims: The unverified claims; None if the token is not a JWT.
    """

    token: Secret
    claims: Fields | None = field(default=None, repr=False)


Credential = Secret | PrivateKey | PlatformToken | Certificate


def bound_to(token: str, shown: str) -> str | None:
    """Return the thumbprint of the certificate that an access token is bound to; None if it is not bound to one.

    A token response has no member for the thumbprint (RFC 8705 §3), so the claims of a JWT are read. For a token that
    is not a JWT, return `shown`, as if the token were bound. The result affects only messages and the time of the next
    refresh. No check relies on it.

    Args:
        token: The access token.
        shown: The thumbprint of the certificate that the client presented to the token endpoint.
    """
    payload = read_claims(token)
    if payload is None:
        return shown
    found = payload.values.get("cnf")
    return shown if isinstance(found, dict) and claims.X5T in found else None


def read_claims(token: str) -> Fields | None:
    """Return a JWT's unverified claims; None if the token is not a JWT. Avoids the slow import of `cryptography`."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        raw = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return read_json(raw, "the token")
    except (ValueError, Malformed):
        return None

"""A program's certificate for TLS, and tokens that are bound to it (RFC 8705).

The certificate is shown by the connection, so that most of it happens in `io/`. Its private key is never read here or
there: the TLS library is told where it lies.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from keyfob.errors import Malformed, Misuse
from keyfob.protocol.claims import X5T
from keyfob.protocol.fields import Fields, read_json


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where they lie, in PEM.

    Attributes:
        certificate: The program's own first, then those that vouch for it.
        key: Its private key; None where that stands in the same file.
    """

    certificate: str
    key: str | None = None

    def __post_init__(self) -> None:
        """Check that there is a name.

        Raises:
            Misuse: There is none.
        """
        if not self.certificate or self.key == "":
            raise Misuse("a certificate and its key are files, and have names")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that is shown by the connection.

    Attributes:
        thumbprint: Its `x5t#S256` (RFC 8705 §3.1).
    """

    thumbprint: str


def bound_to(token: str, shown: str) -> str | None:
    """The certificate that an access token is bound to, if it is.

    Nothing else in an answer says so (§3), thus a look is taken into a token that can be read; it decides what is said
    to people, and when to ask for another token. One that cannot be read is thought to be bound.

    Args:
        token: As it came.
        shown: The thumbprint of what was shown to the server that gave it.
    """
    claims = read_claims(token)
    if claims is None:
        return shown
    found = claims.values.get("cnf")
    return shown if isinstance(found, dict) and X5T in found else None


def read_claims(token: str) -> Fields | None:
    """What a JWT says, unproven; None where it is none. `jose.tokens.peek` does the same, and loads `cryptography`."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        raw = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return read_json(raw, "the token")
    except (ValueError, Malformed):
        return None

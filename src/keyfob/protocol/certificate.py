"""Client certificates in PEM, and their thumbprints in tokens (RFC 8705 §3.1)."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from keyfob.protocol.base64url import base64url

_PEM: Final = r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----"
_LONGEST: Final = 16 * 1024


def thumbprint_of(certificate: bytes) -> str:
    """Return the `x5t#S256` of a certificate in DER (RFC 8705 §3.1)."""
    return base64url(hashlib.sha256(certificate).digest())


def certificates_in(text: str) -> list[str]:
    """Return each certificate of a PEM text, as PEM. Other PEM items, such as keys, are skipped."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return [f"{begin}{part.partition(end)[0]}{end}\n" for part in text.split(begin)[1:]]


def der_of_pem(text: str) -> bytes | None:
    """Return the first certificate of a PEM text as DER, or None if there is no certificate or it is damaged."""
    found = re.search(_PEM, text[:_LONGEST])
    if found is None:
        return None
    try:
        return base64.b64decode("".join(found[1].split()), validate=True) or None
    except ValueError:  # such as binascii.Error
        return None

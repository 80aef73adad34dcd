"""TLS contexts: the trusted certificate authorities, and the client certificate."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

import httpx2

from keyfob.errors import Misuse
from keyfob.io.key_pair import KeyPair
from keyfob.protocol.certificate import certificates_in

_LARGEST: Final = 4 * 1024 * 1024


def ssl_context(ca: Path | None, pair: KeyPair | None = None) -> ssl.SSLContext:
    """Create a context that trusts the system's authorities, or those in `SSL_CERT_FILE`.

    Args:
        ca: A file of additional authorities.
        pair: The client certificate.

    Raises:
        Misuse: The file cannot be read, or contains no certificate in PEM; or as `certify`.
    """
    context = httpx2.create_ssl_context()
    if ca is not None:
        _trust(context, ca)
    if pair is not None:
        from keyfob.io.certified import certify  # noqa: PLC0415  loads cryptography: 30 ms, and few clients have a certificate

        certify(context, pair)
    return context


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    hint, flags = "Use a file of certificates in PEM.", "--ca FILE, or KEYFOB_CA"
    try:
        if ca.stat().st_size > _LARGEST:
            raise Misuse(f"{ca} is too large for a file of certificates", hint=hint, flags=flags)
        text = ca.read_text(encoding="ascii", errors="replace")
    except OSError as problem:
        raise Misuse(f"{ca} cannot be read ({problem.strerror})", hint=hint, flags=flags) from None
    try:
        context.load_verify_locations(cadata="".join(certificates_in(text)))
    except (ssl.SSLError, ValueError):
        raise Misuse(f"{ca} contains no certificate in PEM", hint=hint, flags=flags) from None

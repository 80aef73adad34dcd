"""Whom a program believes over TLS: the system's authorities, and one's own besides."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from keyfob.errors import Misuse

_LARGEST: Final = 4 * 1024 * 1024


def ssl_context(ca: Path) -> ssl.SSLContext:
    """Trust what this system trusts, or `SSL_CERT_FILE` in its place, and the authorities in a file besides.

    Raises:
        Misuse: The file cannot be read, or holds no certificate in PEM.
    """
    import httpx2

    hint = "--ca and KEYFOB_CA name a file of certificates in PEM."
    try:
        if ca.stat().st_size > _LARGEST:
            raise Misuse(f"{ca} is too large for a file of certificates", hint=hint)
        text = ca.read_text(encoding="ascii", errors="replace")
    except OSError as problem:
        raise Misuse(f"{ca} cannot be read ({problem.strerror})", hint=hint) from None
    context = httpx2.create_ssl_context()
    try:
        context.load_verify_locations(cadata="".join(_certificates(text)))
    except (ssl.SSLError, ValueError):
        raise Misuse(f"{ca} holds no certificate in PEM", hint=hint) from None
    return context


def _certificates(text: str) -> list[str]:
    """Those in a file where other things may stand as well."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return [f"{begin}{part.partition(end)[0]}{end}\n" for part in text.split(begin)[1:]]

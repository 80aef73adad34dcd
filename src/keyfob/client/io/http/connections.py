"""HTTP connections that use the certificate authorities and the client certificate of a profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.client.model.profile import Profile
from keyfob.io.http import HttpSender, sender_for
from keyfob.io.key_pair import KeyPair

if TYPE_CHECKING:
    import ssl


def sender_of(profile: Profile) -> HttpSender:
    """Return the function that sends HTTP requests with a profile's TLS settings."""
    return sender_for(_authorities(profile), _pair(profile))


def tls_of(profile: Profile) -> ssl.SSLContext:
    """Return the TLS settings of a profile.

    Raises:
        Misuse: The profile's file of certificate authorities, or its client certificate, cannot be used.
    """
    from keyfob.io.trust import ssl_context  # noqa: PLC0415  loads httpx2: 70 ms

    return ssl_context(_authorities(profile), _pair(profile))


def _authorities(profile: Profile) -> Path | None:
    return None if profile.ca is None else Path(profile.ca)


def _pair(profile: Profile) -> KeyPair | None:
    files = profile.certificate
    return None if files is None else KeyPair.of(files.certificate, files.key)

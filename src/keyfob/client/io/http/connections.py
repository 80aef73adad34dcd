"""How a profile's connections are made: whom they trust, and which certificate they show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.client.model.profile import Profile
from keyfob.io.http import HttpSender, sender_for

if TYPE_CHECKING:
    import ssl  # TLS costs 10 ms, and a kept token needs none

    from keyfob.io.certified import KeyPair


def sender_of(profile: Profile) -> HttpSender:
    """How to send requests of that profile."""
    return sender_for(_authorities(profile), _pair(profile))


def tls_of(profile: Profile) -> ssl.SSLContext:
    """The same for another HTTP library. Raises `Misuse` where a file of authorities or a certificate will not do."""
    from keyfob.io.trust import ssl_context

    return ssl_context(_authorities(profile), _pair(profile))


def _authorities(profile: Profile) -> Path | None:
    return None if profile.ca is None else Path(profile.ca)


def _pair(profile: Profile) -> KeyPair | None:
    files = profile.certificate
    if files is None:
        return None
    from keyfob.io.certified import KeyPair

    return KeyPair.of(files.certificate, files.key)

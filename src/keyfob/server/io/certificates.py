"""A tenant's certificates for https on this machine, which are created in the folder `tls/` at the first start."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from keyfob.errors import Malformed, Misuse
from keyfob.jose.certificates import Authority, new_key
from keyfob.jose.shown import read_certificates
from keyfob.server.io.clock import SystemSurroundings
from keyfob.server.io.data import replace, write_once

_READABLE_BY_ALL: Final = 0o644


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The paths of a tenant's TLS files.

    Attributes:
        authority: The certificate authority that clients must trust.
        certificate: The server's certificate.
        key: The server's private key.
    """

    authority: Path
    certificate: Path
    key: Path


def tls_files(folder: Path, now: datetime | None = None) -> TlsFiles:
    """Return the TLS files of a tenant. Create missing certificates, and renew certificates that expire soon.

    A key is never replaced, and a renewed certificate is for the same key. So even if two processes start at the same
    time, every certificate matches its key.

    Args:
        folder: The tenant's folder.
        now: The time to use; by default the current time.

    Raises:
        Misuse: The folder cannot be used, or its files are damaged or do not belong together.
    """
    own = folder / "tls"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own.mkdir(mode=0o700, exist_ok=True)
        return _up_to_date(own, now or SystemSurroundings().now())
    except OSError as problem:
        raise Misuse(f"{own} cannot be used: {problem.strerror}", hint="Choose another folder with --data.") from None
    except Malformed as problem:
        hint = "Remove that folder. keyfob then creates a new authority, which clients must trust anew."
        raise Misuse(f"the files in {own} are damaged ({problem.message})", hint=hint) from None


def read_authorities(file: Path) -> tuple[bytes, ...]:
    """Return the certificates of a PEM file, in DER.

    Raises:
        Misuse: The file cannot be read, or has no certificate.
    """
    try:
        return read_certificates(file.read_text(encoding="ascii", errors="replace"))
    except OSError as problem:
        raise Misuse(f"{file} cannot be read: {problem.strerror}") from None
    except Malformed:
        raise Misuse(
            f"{file} contains no certificate in PEM", hint="Use a file such as openssl writes with -outform PEM."
        ) from None


def read_own_certificate(file: Path) -> str:
    """Return the first certificate of a PEM file as PEM. Other content, which could be a key, is left out.

    Raises:
        Misuse: The file cannot be read, or has no certificate.
    """
    return ssl.DER_cert_to_PEM_cert(read_authorities(file)[0])


def _up_to_date(own: Path, now: datetime) -> TlsFiles:
    files = TlsFiles(own / "ca.pem", own / "server.pem", own / "server.key")
    authority = _authority(files.authority, own / "ca.key", now)
    key = _read_or_create(files.key, new_key)
    found = _read_or_create(files.certificate, lambda: authority.certify(key, now), mode=_READABLE_BY_ALL)
    if not authority.stands_behind(found, key, now):
        replace(files.certificate, authority.certify(key, now), mode=_READABLE_BY_ALL)
    return files


def _authority(path: Path, key_path: Path, now: datetime) -> Authority:
    key = _read_or_create(key_path, new_key)
    found = Authority.read(_read_or_create(path, lambda: Authority.new(key, now).pem(), mode=_READABLE_BY_ALL), key)
    if found.is_lapsing(now):
        found = Authority.new(key, now)
        replace(path, found.pem(), mode=_READABLE_BY_ALL)
    return found


def _read_or_create(path: Path, make: Callable[[], bytes], *, mode: int = 0o600) -> bytes:
    if not path.exists():
        with contextlib.suppress(FileExistsError):
            write_once(path, make(), mode=mode)
    return path.read_bytes()

"""The files of a client certificate and its private key (RFC 8705 §2)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, Self

from keyfob.errors import Misuse
from keyfob.protocol.certificate import certificates_in, der_of_pem, thumbprint_of

_LARGEST: Final = 256 * 1024
_HINT: Final = "Use PEM files for the certificate and the key; the key must have no passphrase."


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The paths of a certificate and its private key, which may be the same file."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, certificate: str, key: str | None) -> Self:
        """Return the pair for two file names. If `key` is None, the private key is in the certificate's file."""
        return cls(Path(certificate).expanduser(), Path(key or certificate).expanduser())

    def thumbprint(self) -> str:
        """Return the `x5t#S256` of the first certificate in the file (RFC 8705 §3.1).

        Raises:
            Misuse: The file cannot be read, or contains no certificate (code `certificate-unusable`).
        """
        return thumbprint_of(self.der())

    def der(self) -> bytes:
        """Return the first certificate in DER.

        Raises:
            Misuse: Any error of `thumbprint`.
        """
        try:
            found = der_of_pem(_first_of(self.certificate))
        except OSError as problem:
            refuse(f"{self.certificate} cannot be read ({problem.strerror})")
        return found or refuse(f"{self.certificate} contains no certificate in PEM")

    def state(self) -> tuple[tuple[int, int, int], ...]:
        """Return a value that changes when one of the files is replaced.

        Raises:
            Misuse: A file is missing or cannot be accessed (code `certificate-unusable`).
        """
        return tuple(
            (found.st_ino, found.st_mtime_ns, found.st_size) for found in map(look_at, (self.certificate, self.key))
        )


def _first_of(path: Path) -> str:
    """Return only the first certificate, since a traceback could show a key that is in the same file.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return next(iter(certificates_in(file.read(_LARGEST).decode("ascii", "replace"))), "")


def look_at(path: Path) -> os.stat_result:
    """Return a file's `stat` result. Raise `Misuse` (code `certificate-unusable`) if the file cannot be accessed."""
    try:
        return path.stat()
    except OSError as problem:
        refuse(f"{path} cannot be read ({problem.strerror})")


def refuse(problem: str, hint: str = _HINT) -> NoReturn:
    """Raise `Misuse` with the code `certificate-unusable`."""
    raise Misuse(problem, code="certificate-unusable", hint=hint) from None

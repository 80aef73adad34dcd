"""A program's certificate for TLS, from files that may be replaced while it runs (RFC 8705 §2).

The private key is not read here: OpenSSL is told where it lies. A connection shows what lies there when it is made.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn, ParamSpec, Self, TypeVar

from keyfob.errors import Malformed, Misuse
from keyfob.protocol.certificate import certificates_in, der_of_pem, thumbprint_of

P = ParamSpec("P")
T = TypeVar("T")
_LARGEST: Final = 256 * 1024
_OTHERS: Final = 0o077
_WORLD: Final = 0o007
_HINT: Final = "--certificate and --certificate-key name files in PEM; a key has no passphrase."
_SHOWS: Final = ("wrap_socket", "wrap_bio")  # every library begins a connection by one of them


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, each in a file; one file may hold both."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, certificate: str, key: str | None) -> Self:
        """By names; without one for the key it stands beside the certificate."""
        return cls(Path(certificate).expanduser(), Path(key or certificate).expanduser())

    def thumbprint(self) -> str:
        """The `x5t#S256` of the certificate that comes first in the file (RFC 8705 §3.1).

        Raises:
            Misuse: Code `certificate-unusable`: there is none.
        """
        return thumbprint_of(self.der())

    def der(self) -> bytes:
        """The certificate. Raises as `thumbprint`."""
        try:
            found = der_of_pem(_first_of(self.certificate))
        except OSError as problem:
            _refuse(f"{self.certificate} cannot be read ({problem.strerror})")
        return found or _refuse(f"{self.certificate} holds no certificate in PEM")

    def state(self) -> tuple[tuple[int, int, int], ...]:
        """What tells whether a file was replaced. Raises as `thumbprint`."""
        return tuple(
            (found.st_ino, found.st_mtime_ns, found.st_size) for found in map(_look, (self.certificate, self.key))
        )

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have connections of a context show it.

        Raises:
            Misuse: Code `certificate-unusable`: a file is not there or not what it should be, the two do not belong
                together, others may read the key, or the certificate has expired. Says where, never what.
        """
        _check_mode(self.key)
        _check_time(self.certificate, self.der())
        try:
            context.load_cert_chain(self.certificate, self.key, password=b"")  # else OpenSSL would ask the terminal
        except ssl.SSLError as problem:
            if problem.reason == "KEY_VALUES_MISMATCH":
                _refuse(f"the key in {self.key} is not that of the certificate in {self.certificate}")
            _refuse(f"{self.key} holds no private key that can be used, or {self.certificate} is damaged")
        except (OSError, ValueError) as problem:
            _refuse(f"{self.key} cannot be read ({type(problem).__name__})")


def certify(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Have every connection of a context show the certificate that lies in the files at that moment.

    While files are replaced, the two may not belong together for a moment: then connections show the one before.

    Raises:
        Misuse: As `KeyPair.load_into`.
    """
    lock, last = threading.Lock(), [pair.state()]
    pair.load_into(context)
    context.post_handshake_auth = True  # Apache asks once it knows the path (RFC 8446 §4.6.2)

    def look_again() -> None:
        with lock:
            try:
                now = pair.state()
                if now != last[0]:
                    # OpenSSL forgets the old key at the sight of a new certificate, whatever comes after that.
                    pair.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
                    pair.load_into(context)
                    last[0] = now
            except Misuse:
                return  # if it stays so, the server says that the certificate is none any more

    def shown_by(connect: Callable[P, T]) -> Callable[P, T]:
        def look_and_connect(*args: P.args, **kwargs: P.kwargs) -> T:
            look_again()
            return connect(*args, **kwargs)

        return look_and_connect

    # A subclass would do, if the context were always of the same class: on two systems it is not Python's own.
    for name in _SHOWS:
        setattr(context, name, shown_by(getattr(context, name)))


def _first_of(path: Path) -> str:
    """The first certificate alone, so that no traceback holds a key that stands in the same file. Raises `OSError`."""
    with path.open("rb") as file:
        return next(iter(certificates_in(file.read(_LARGEST).decode("ascii", "replace"))), "")


def _look(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as problem:
        _refuse(f"{path} cannot be read ({problem.strerror})")


def _check_mode(key: Path) -> None:
    """Refuse a key that others may read. What another user lays there for us is read by way of its group."""
    found = _look(key)
    if os.name == "posix" and found.st_mode & (_OTHERS if found.st_uid == os.geteuid() else _WORLD):
        _refuse(f"others on this machine may read the key in {key}", f"Run: chmod go-rwx {key}")


def _check_time(path: Path, der: bytes) -> None:
    from keyfob.jose.certificates import describe

    try:
        ends = describe(der).not_after
    except Malformed:
        _refuse(f"{path} holds no certificate in PEM")
    if ends <= datetime.now(UTC):
        hint = "Get a new one from whoever gave it to you, or look at this machine's clock."
        _refuse(f"the certificate in {path} has expired on {ends:%Y-%m-%d}", hint)


def _refuse(problem: str, hint: str = _HINT) -> NoReturn:
    """Say so.

    Raises:
        Misuse: Always.
    """
    raise Misuse(problem, code="certificate-unusable", hint=hint) from None

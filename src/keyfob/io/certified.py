"""The client certificate for TLS, from files that may be replaced while the process runs (RFC 8705 §2).

keyfob does not read the private key: OpenSSL gets its path. Each new connection presents the files' present content.
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
_WRAPPERS: Final = ("wrap_socket", "wrap_bio")  # every library starts a connection with one of them


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The paths of a certificate and its private key, which may be the same file."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, certificate: str, key: str | None) -> Self:
        """Create it from file names; without one for the key, the certificate's file holds it."""
        return cls(Path(certificate).expanduser(), Path(key or certificate).expanduser())

    def thumbprint(self) -> str:
        """Return the `x5t#S256` of the first certificate in the file (RFC 8705 §3.1).

        Raises:
            Misuse: There is none (code `certificate-unusable`).
        """
        return thumbprint_of(self.der())

    def der(self) -> bytes:
        """Return the first certificate. Raises as `thumbprint`."""
        try:
            found = der_of_pem(_first_of(self.certificate))
        except OSError as problem:
            _refuse(f"{self.certificate} cannot be read ({problem.strerror})")
        return found or _refuse(f"{self.certificate} holds no certificate in PEM")

    def state(self) -> tuple[tuple[int, int, int], ...]:
        """Return a value that changes if a file is replaced. Raises as `thumbprint`."""
        return tuple(
            (found.st_ino, found.st_mtime_ns, found.st_size) for found in map(_look, (self.certificate, self.key))
        )

    def load_into(self, context: ssl.SSLContext) -> None:
        """Load both into a TLS context.

        Raises:
            Misuse: A file is missing or not valid, the two do not match, others may read the key, or the certificate
                has expired (code `certificate-unusable`). The message names files, never their content.
        """
        _check_mode(self.key)
        _check_expiry(self.certificate, self.der())
        try:
            context.load_cert_chain(self.certificate, self.key, password=b"")  # else OpenSSL would ask the terminal
        except ssl.SSLError as problem:
            if problem.reason == "KEY_VALUES_MISMATCH":
                _refuse(f"the key in {self.key} is not that of the certificate in {self.certificate}")
            _refuse(f"{self.key} holds no private key that can be used, or {self.certificate} is damaged")
        except (OSError, ValueError) as problem:
            _refuse(f"{self.key} cannot be read ({type(problem).__name__})")


def certify(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Make every new connection of a context present the files' present content.

    While the files are being replaced, the two may not match: then connections present the previous certificate.

    Raises:
        Misuse: As `KeyPair.load_into`.
    """
    lock, last = threading.Lock(), [pair.state()]
    pair.load_into(context)
    context.post_handshake_auth = True  # Apache requests a certificate once it knows the path (RFC 8446 §4.6.2)

    def reload_if_replaced() -> None:
        with lock:
            try:
                now = pair.state()
                if now != last[0]:
                    # OpenSSL drops the old key once a certificate is loaded, so another context tries both first.
                    pair.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
                    pair.load_into(context)
                    last[0] = now
            except Misuse:
                return  # if this persists, the server refuses the expired certificate

    def reloading(connect: Callable[P, T]) -> Callable[P, T]:
        def reload_and_connect(*args: P.args, **kwargs: P.kwargs) -> T:
            reload_if_replaced()
            return connect(*args, **kwargs)

        return reload_and_connect

    # A subclass would not do: on two systems, the context is not of Python's own class.
    for name in _WRAPPERS:
        setattr(context, name, reloading(getattr(context, name)))


def _first_of(path: Path) -> str:
    """Read the first certificate alone, so that no traceback contains a key from the same file. Raises `OSError`."""
    with path.open("rb") as file:
        return next(iter(certificates_in(file.read(_LARGEST).decode("ascii", "replace"))), "")


def _look(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as problem:
        _refuse(f"{path} cannot be read ({problem.strerror})")


def _check_mode(key: Path) -> None:
    """Refuse a key that others may read. If another user owns it, its group may read it: so we may."""
    found = _look(key)
    if os.name == "posix" and found.st_mode & (_OTHERS if found.st_uid == os.geteuid() else _WORLD):
        _refuse(f"others on this machine may read the key in {key}", f"Run: chmod go-rwx {key}")


def _check_expiry(path: Path, der: bytes) -> None:
    from keyfob.jose.certificates import describe

    try:
        ends = describe(der).not_after
    except Malformed:
        _refuse(f"{path} holds no certificate in PEM")
    if ends <= datetime.now(UTC):
        hint = "Get a new one from whoever gave it to you, or look at this machine's clock."
        _refuse(f"the certificate in {path} has expired on {ends:%Y-%m-%d}", hint)


def _refuse(problem: str, hint: str = _HINT) -> NoReturn:
    raise Misuse(problem, code="certificate-unusable", hint=hint) from None

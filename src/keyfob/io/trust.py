"""TLS contexts with trusted authorities and a client certificate, whose files may be replaced (RFC 8705 §2)."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import httpx2

from keyfob.errors import Malformed, Misuse
from keyfob.io.key_pair import KeyPair, look_at, refuse
from keyfob.jose.certificates import describe
from keyfob.protocol.certificate import certificates_in

P = ParamSpec("P")
T = TypeVar("T")
_OTHERS: Final = 0o077
_WORLD: Final = 0o007
_WRAPPERS: Final = ("wrap_socket", "wrap_bio")  # every library starts a connection with one of them
_LARGEST: Final = 4 * 1024 * 1024


def certify(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Make every new connection of a context present the certificate that the files contain at that time.

    While the files are being replaced, the certificate may be new and the key still old. In that case, connections
    present the previous certificate.

    Raises:
        Misuse: A file is missing or invalid, certificate and key do not match, other users may read the key, or the
            certificate has expired (code `certificate-unusable`). The message names files, never their content.
    """
    lock, last = threading.Lock(), [pair.state()]
    _load(pair, context)
    context.post_handshake_auth = True  # Apache requests a certificate once it knows the path (RFC 8446 §4.6.2)

    def reload_if_replaced() -> None:
        with lock:
            try:
                now = pair.state()
                if now != last[0]:
                    # OpenSSL drops the old key once a certificate is loaded, so another context tries both first.
                    _load(pair, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
                    _load(pair, context)
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


def _load(pair: KeyPair, context: ssl.SSLContext) -> None:
    """Load both files into a TLS context.

    Raises:
        Misuse: Any error of `certify`.
    """
    _check_mode(pair.key)
    _check_expiry(pair.certificate, pair.der())
    try:
        context.load_cert_chain(pair.certificate, pair.key, password=b"")  # else OpenSSL would ask the terminal
    except ssl.SSLError as problem:
        if problem.reason == "KEY_VALUES_MISMATCH":
            refuse(f"the key in {pair.key} does not match the certificate in {pair.certificate}")
        refuse(f"{pair.key} contains no usable private key, or {pair.certificate} is damaged")
    except (OSError, ValueError) as problem:
        refuse(f"{pair.key} cannot be read ({type(problem).__name__})")


def _check_mode(key: Path) -> None:
    """Refuse a key file that other users than its owner may read.

    If another user owns the file, its group may read it.
    """
    found = look_at(key)
    if os.name == "posix" and found.st_mode & (_OTHERS if found.st_uid == os.geteuid() else _WORLD):
        refuse(f"other users of this computer can read the key in {key}", f"Run: chmod go-rwx {key}")


def _check_expiry(path: Path, der: bytes) -> None:
    try:
        ends = describe(der).not_after
    except Malformed:
        refuse(f"{path} contains no certificate in PEM")
    if ends <= datetime.now(UTC):
        hint = "Get a new certificate from its issuer, or check this computer's clock."
        refuse(f"the certificate in {path} has expired on {ends:%Y-%m-%d}", hint)


def ssl_context(ca: Path | None, pair: KeyPair | None = None) -> ssl.SSLContext:
    """Create a context that trusts the certificate authorities in `SSL_CERT_FILE` or, if that is not set, the system's.

    Args:
        ca: A PEM file of additional certificate authorities.
        pair: The client certificate.

    Raises:
        Misuse: The file `ca` cannot be read, or contains no certificate in PEM; or any error of `certify`.
    """
    context = httpx2.create_ssl_context()
    if ca is not None:
        _trust(context, ca)
    if pair is not None:
        from keyfob.io.trust import certify  # noqa: PLC0415  loads cryptography: 30 ms, and few clients have a certificate

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

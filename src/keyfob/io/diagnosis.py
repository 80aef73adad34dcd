"""Error messages for failed connections, which name the certificate, proxy or host name at fault.

Of the peer's data, a message contains only the names in the certificate, in plain ASCII and shortened. To read these
names, keyfob opens a second connection, fetches the certificate without verification, and sends no request.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import socket
import ssl
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from keyfob.errors import Malformed, Refused, Unreachable
from keyfob.jose.certificates import describe
from keyfob.protocol.oauth_error import speakable

_PATIENCE: Final = 3.0
_PORTS: Final = {"https": 443, "http": 80}
_LONGEST: Final = 120
_LONGEST_ANSWER: Final = 8192
# OpenSSL's numbers (x509_vfy.h).
_NOT_YET, _EXPIRED, _SELF, _WRONG_NAME = 9, 10, {18}, {62, 64}
_NO_ISSUER: Final = {2, 19, 20, 21, 27}
_NO_ROUTE: Final = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}
# A server's alerts about our certificate, or about having none (RFC 8446 §6.2), by OpenSSL's names.
_ALERTS: Final = {
    "CERTIFICATE_REQUIRED": "requires a client certificate, and received none",
    "BAD_CERTIFICATE": "refused the client certificate, or requires one",
    "CERTIFICATE_EXPIRED": "refused the client certificate: it has expired",
    "CERTIFICATE_REVOKED": "refused the client certificate: it was revoked",
    "CERTIFICATE_UNKNOWN": "refused the client certificate",
    "UNSUPPORTED_CERTIFICATE": "refused the client certificate: its type is not supported",
    "UNKNOWN_CA": "refused the client certificate: its issuer is not trusted",
    "ACCESS_DENIED": "refused access with this client certificate",
}
_CA_HINT: Final = (
    "This could be an attacker. If the certificate's issuer is your company's or your own, "
    "set SSL_CERT_FILE or pass a file with the certificate authorities; otherwise stop."
)
_CA_FLAGS: Final = "--ca FILE, or KEYFOB_CA"


def explain_connection(problem: BaseException, url: str) -> Unreachable:
    """Return the error that explains why a connection failed.

    Args:
        problem: The library's error, with its causes.
        url: The request's URL; "" if unknown.
    """
    parts = _split(url)
    for cause in _causes(problem):
        match cause:
            case ssl.SSLCertVerificationError():
                return _untrusted(cause, parts)
            case ssl.SSLError():
                hint = "Check whether the address needs http or https, and the port."
                return Unreachable(f"no TLS with {_name(parts)} ({_reason(cause)})", hint=hint)
            case socket.gaierror():
                return _unknown_name(cause, parts)
            case ConnectionRefusedError():
                return _refused(parts)
            case OSError() if cause.errno in _NO_ROUTE:
                return Unreachable(f"there is no route to {_name(parts)}", hint="Check this computer's network.")
            case _:
                pass
    return Unreachable("nobody answers there" if parts is None else f"{_name(parts)} does not respond")


def explain_alert(problem: BaseException, url: str) -> Refused | None:
    """Return the error if the server ended a connection because of the client's certificate, else None."""
    for cause in _causes(problem):
        if isinstance(cause, ssl.SSLError):
            alert = (cause.reason or "").partition("_ALERT_")[2]
            if alert in _ALERTS:
                hint = "Check the certificate, its key, and the registration at the server."
                flags = "--certificate FILE, --certificate-key FILE"
                what = f"{_name(_split(url))} {_ALERTS[alert]}"
                return Refused(what, hint=hint, flags=flags, code="certificate-refused")
    return None


def explain_proxy(reply: str, url: str) -> Unreachable:
    """Return the error that explains a proxy's refusal. `reply` starts with the proxy's status code."""
    status, proxy = reply.partition(" ")[0], _proxy_for(_split(url))
    named = "the proxy" if proxy is None else f"the proxy {_name(proxy)}"
    with_status = f" (status {status})" if status.isdigit() and len(status) == 3 else ""
    hint = "Check HTTPS_PROXY and NO_PROXY."
    if status == "407":
        hint = "It requires a name and a password: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT"
    return Unreachable(f"{named} refused{with_status}", hint=hint, code="proxy-refused")


def _untrusted(problem: ssl.SSLCertVerificationError, parts: SplitResult | None) -> Unreachable:
    # The unverified certificate is for the message only.
    fetched = None if parts is None else _fetch_certificate(parts)
    found = None
    if fetched is not None:
        with contextlib.suppress(Malformed):
            found = describe(fetched)
    names = "" if found is None else f" (subject {_plain(found.subject)}; issuer {_plain(found.issuer)})"
    number, hint = problem.verify_code, _CA_HINT
    if found is not None and (number == _EXPIRED or datetime.now(UTC) > found.not_after):
        what = f"has expired on {found.not_after:%Y-%m-%d}"
        hint = "Tell the server's administrator, or check this computer's clock."
    elif number in {_EXPIRED, _NOT_YET}:
        what, hint = "is not valid yet", "Check this computer's clock, or tell the server's administrator."
    elif number in _WRONG_NAME:
        hosts = "" if found is None or not found.hosts else f", but for {_plain(', '.join(found.hosts))}"
        what = f"is not for this host name{hosts}"
        hint = "Check the address. In the network of a hotel or company, log in to the network first."
    elif number in _SELF:
        what = "is self-signed"
    elif number in _NO_ISSUER:
        what = "was issued by an authority that this computer does not trust"
    else:  # for example, Python 3.13 requires the identifiers of RFC 5280 §4.2.1.1-4.2.1.2, and Python 3.12 does not
        what = f"is not a valid certificate ({problem.verify_message})"
        hint = "Tell the server's administrator: the certificate, or that of its issuer, must be replaced."
    message = f"the certificate of {_name(parts)} {what}{names}"
    flags = _CA_FLAGS if hint == _CA_HINT else ""
    return Unreachable(message, hint=hint, flags=flags, code="certificate-untrusted")


def _unknown_name(problem: socket.gaierror, parts: SplitResult | None) -> Unreachable:
    proxy = _proxy_for(parts)
    host = (proxy or parts or SplitResult("", "", "", "", "")).hostname or "that name"
    whose = f"the proxy's name {host}" if proxy is not None else f"the name {host}"
    if problem.errno == socket.EAI_AGAIN:
        return Unreachable(f"{whose} cannot be resolved now", hint="Check this computer's network.")
    return Unreachable(f"{whose} does not exist", hint="Check the address, and this computer's network and DNS.")


def _refused(parts: SplitResult | None) -> Unreachable:
    proxy = _proxy_for(parts)
    if proxy is not None:
        hint = "Check HTTPS_PROXY and NO_PROXY."
        return Unreachable(f"the proxy {_name(proxy)} refused the connection", hint=hint, code="proxy-refused")
    return Unreachable(
        f"{_name(parts)} refused the connection", hint="Check the address, and whether the server is running."
    )


def _fetch_certificate(parts: SplitResult) -> bytes | None:
    """Fetch the server's certificate without verification. Return None if that fails."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError, ValueError),
        _reach(parts) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
    ):
        return secure.getpeercert(binary_form=True)
    return None


@contextlib.contextmanager
def _reach(parts: SplitResult) -> Generator[socket.socket]:
    """Connect to the host, through the proxy if the environment sets one. Raise `OSError` if that fails."""
    proxy = _proxy_for(parts)
    if proxy is not None and proxy.scheme != "http":
        raise OSError
    to = proxy or parts
    with socket.create_connection((to.hostname or "", _port(to)), timeout=_PATIENCE) as connection:
        if proxy is not None:
            _connect_through(connection, parts, proxy)
        yield connection


def _connect_through(connection: socket.socket, parts: SplitResult, proxy: SplitResult) -> None:
    """Send CONNECT to a proxy (RFC 9110 §9.3.6). Raise `OSError` if the proxy refuses."""
    lines = [f"CONNECT {_name(parts)} HTTP/1.1", f"Host: {_name(parts)}"]
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode('ascii')}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(1)  # the bytes after the header belong to TLS
        if not piece or len(answer) > _LONGEST_ANSWER:
            raise OSError
        answer += piece
    if not answer.split(b" ")[1:2] == [b"200"]:
        raise OSError


def _proxy_for(parts: SplitResult | None) -> SplitResult | None:
    """Return the proxy that the environment sets for a URL, or None if it sets none."""
    if parts is None:
        return None
    found = getproxies()
    named = found.get(parts.scheme) or found.get("all")
    if not named or proxy_bypass(parts.hostname or ""):
        return None
    return _split(named if "://" in named else f"http://{named}")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.hostname and (parts.port is None or parts.port) else None
    except ValueError:
        return None


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS.get(parts.scheme, 443)


def _name(parts: SplitResult | None) -> str:
    """Return host and port, without user info."""
    if parts is None:
        return "the server"
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{_port(parts)}"


def _plain(text: str) -> str:
    short = speakable(text)
    return short if len(short) <= _LONGEST else f"{short[:_LONGEST]}..."


def _reason(problem: ssl.SSLError) -> str:
    return (problem.reason or "the handshake failed").lower().replace("_", " ")


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    seen: set[int] = set()
    cause: BaseException | None = problem
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__

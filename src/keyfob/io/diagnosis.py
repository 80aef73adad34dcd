"""Why a connection failed, in words that help: whose certificate, which proxy, which name.

Of what the other side sent only the names in its certificate are told, made plain and cut short. To read those the
certificate is fetched once more, without believing it, and nothing is said over that connection.
"""

from __future__ import annotations

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
from keyfob.protocol.oauth_error import speakable

_PATIENCE: Final = 3.0
_PORTS: Final = {"https": 443, "http": 80}
_LONGEST: Final = 120
_LONGEST_ANSWER: Final = 8192
# OpenSSL's numbers (x509_vfy.h).
_NOT_YET, _EXPIRED, _SELF, _WRONG_NAME = 9, 10, {18}, {62, 64}
_NO_WAY: Final = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}
# What a server says of a certificate of ours, or of there being none (RFC 8446 §6.2), as OpenSSL calls it.
_ALERTS: Final = {
    "CERTIFICATE_REQUIRED": "wants a certificate of this program, and was shown none",
    "BAD_CERTIFICATE": "does not take this program's certificate, or wants one",
    "CERTIFICATE_EXPIRED": "says that this program's certificate has expired",
    "CERTIFICATE_REVOKED": "says that this program's certificate was revoked",
    "CERTIFICATE_UNKNOWN": "does not take this program's certificate",
    "UNSUPPORTED_CERTIFICATE": "does not take a certificate of this program's kind",
    "UNKNOWN_CA": "does not trust whoever issued this program's certificate",
    "ACCESS_DENIED": "knows this program's certificate, and lets it not in",
}
_CA_HINT: Final = (
    "If that issuer is your company's or your own, say --ca FILE, or set KEYFOB_CA or SSL_CERT_FILE. "
    "Else somebody may be listening: do not go on."
)


def explain_connection(problem: BaseException, url: str) -> Unreachable:
    """What to say of a connection that did not come about.

    Args:
        problem: As a library raised it, with what it came from.
        url: Whom it was to; "" where that is unknown.
    """
    parts = _split(url)
    for cause in _causes(problem):
        match cause:
            case ssl.SSLCertVerificationError():
                return _untrusted(cause, parts)
            case ssl.SSLError():
                hint = "Look whether the address wants http or https, and at the port."
                return Unreachable(f"no TLS with {_name(parts)} ({_reason(cause)})", hint=hint)
            case socket.gaierror():
                return _unknown_name(cause, parts)
            case ConnectionRefusedError():
                return _refused(parts)
            case OSError() if cause.errno in _NO_WAY:
                return Unreachable(f"there is no way to {_name(parts)}", hint="Look at this machine's network.")
            case _:
                pass
    return Unreachable("nobody answers there" if parts is None else f"nobody answers at {_name(parts)}")


def explain_alert(problem: BaseException, url: str) -> Refused | None:
    """What to say where a server has ended a connection because of our certificate; None where that is not why.

    Args:
        problem: As a library raised it, with what it came from.
        url: Whom it was to.
    """
    for cause in _causes(problem):
        if isinstance(cause, ssl.SSLError):
            alert = (cause.reason or "").partition("_ALERT_")[2]
            if alert in _ALERTS:
                hint = "Look at --certificate FILE and --certificate-key FILE, and at what the server has on record."
                return Refused(f"{_name(_split(url))} {_ALERTS[alert]}", hint=hint, code="certificate-refused")
    return None


def explain_proxy(said: str, url: str) -> Unreachable:
    """What to say where a proxy refused to make a connection; `said` begins with its status."""
    status, proxy = said.partition(" ")[0], _proxy_for(_split(url))
    named = "the proxy" if proxy is None else f"the proxy {_name(proxy)}"
    with_status = f" (status {status})" if status.isdigit() and len(status) == 3 else ""
    hint = "Look at HTTPS_PROXY and NO_PROXY."
    if status == "407":
        hint = "It wants a name and a password: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT"
    return Unreachable(f"{named} refused{with_status}", hint=hint, code="proxy-refused")


def _untrusted(problem: ssl.SSLCertVerificationError, parts: SplitResult | None) -> Unreachable:
    from keyfob.jose.certificates import describe

    # What is read is only told; no decision hangs on it.
    shown = None if parts is None else _peek(parts)
    found = None
    if shown is not None:
        with contextlib.suppress(Malformed):
            found = describe(shown)
    names = "" if found is None else f" (subject {_plain(found.subject)}; issuer {_plain(found.issuer)})"
    number, hint = problem.verify_code, _CA_HINT
    if found is not None and (number == _EXPIRED or datetime.now(UTC) > found.not_after):
        what = f"has expired on {found.not_after:%Y-%m-%d}"
        hint = "Tell whoever runs the server, or look at this machine's clock."
    elif number in {_EXPIRED, _NOT_YET}:
        what, hint = "is not valid at this time", "Look at this machine's clock, or tell whoever runs the server."
    elif number in _WRONG_NAME:
        hosts = "" if found is None or not found.hosts else f", but for {_plain(', '.join(found.hosts))}"
        what = f"is not for that name{hosts}"
        hint = "Look at the address. Behind a hotel's or a company's network, log in there first."
    elif number in _SELF:
        what = "is signed by itself"
    else:
        what = "is by an issuer that nobody here trusts"
    message = f"the certificate of {_name(parts)} {what}{names}"
    return Unreachable(message, hint=hint, code="certificate-untrusted")


def _unknown_name(problem: socket.gaierror, parts: SplitResult | None) -> Unreachable:
    proxy = _proxy_for(parts)
    host = (proxy or parts or SplitResult("", "", "", "", "")).hostname or "that name"
    whose = f"the proxy's name {host}" if proxy is not None else f"the name {host}"
    if problem.errno == socket.EAI_AGAIN:
        return Unreachable(f"{whose} cannot be looked up at the moment", hint="Look at this machine's network.")
    return Unreachable(f"{whose} is not known", hint="Look at the address, and at this machine's network and DNS.")


def _refused(parts: SplitResult | None) -> Unreachable:
    proxy = _proxy_for(parts)
    if proxy is not None:
        hint = "Look at HTTPS_PROXY and NO_PROXY."
        return Unreachable(f"nobody listens at the proxy {_name(proxy)}", hint=hint, code="proxy-refused")
    return Unreachable(f"nobody listens at {_name(parts)}", hint="Look at the address; does the server run?")


def _peek(parts: SplitResult) -> bytes | None:
    """The certificate that is shown there, believed by nobody; or None."""
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
    """A connection to there, through the proxy if there is one.

    Raises:
        OSError: There is none.
    """
    proxy = _proxy_for(parts)
    if proxy is not None and proxy.scheme != "http":
        raise OSError
    to = proxy or parts
    with socket.create_connection((to.hostname or "", _port(to)), timeout=_PATIENCE) as connection:
        if proxy is not None:
            _connect_through(connection, parts, proxy)
        yield connection


def _connect_through(connection: socket.socket, parts: SplitResult, proxy: SplitResult) -> None:
    """Ask a proxy for a way (RFC 9110 §9.3.6).

    Raises:
        OSError: It gives none.
    """
    import base64

    lines = [f"CONNECT {_name(parts)} HTTP/1.1", f"Host: {_name(parts)}"]
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode('ascii')}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(1)  # what follows is TLS already, and not ours to take
        if not piece or len(answer) > _LONGEST_ANSWER:
            raise OSError
        answer += piece
    if not answer.split(b" ")[1:2] == [b"200"]:
        raise OSError


def _proxy_for(parts: SplitResult | None) -> SplitResult | None:
    """The proxy that the environment names for an address."""
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
    """Host and port; never the user part."""
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
    """What an error came from, itself first."""
    seen: set[int] = set()
    cause: BaseException | None = problem
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__

"""Which addresses may be opened, and which may be told a secret (RFC 8414 §2, RFC 8252 §8.3)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}


def is_web_url(text: str) -> bool:
    """Whether it may be given to a browser: absolute, http or https, printable ASCII, a host, no user part."""
    if not (text.isascii() and text.isprintable() and " " not in text and "\\" not in text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


def is_loopback(address: str) -> bool:
    """Whether a web address never leaves this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe(address: str) -> bool:
    """Whether a secret may be sent there, or a key taken from there: https, or plain http on this machine."""
    return is_web_url(address) and (address.startswith("https://") or is_loopback(address))


def origin_of(address: str) -> str:
    """Scheme, host and port, as two addresses are compared (RFC 6454 §4); "" where it is no web address."""
    if not is_web_url(address):
        return ""
    parts = urlsplit(address)
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    return f"{parts.scheme}://{parts.hostname}:{port}"

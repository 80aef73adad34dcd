"""Checks of whether a URL may be opened in a browser or may receive a secret (RFC 8414 §2, RFC 8252 §8.3)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}
# Domain names that are reserved for one machine or one local network (RFC 6761, RFC 6762, RFC 8375; ICANN's .internal).
_NEAR: Final = ("localhost", "local", "internal", "home.arpa")


def is_web_url(text: str) -> bool:
    """Return whether a browser may open a URL.

    The URL must be absolute, http or https, printable ASCII, with a host and without user info.
    """
    if not (text.isascii() and text.isprintable() and " " not in text and "\\" not in text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


def is_loopback(address: str) -> bool:
    """Return whether a URL's host is `localhost` or a loopback IP address."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_public(address: str) -> bool:
    """Return whether a URL's host looks public, not internal (RFC 9728 §7.7). Host names are not resolved."""
    host = (urlsplit(address).hostname or "").rstrip(".")
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        last = host.rpartition(".")[2]
        # Some resolvers accept `127.1` and `0x7f.1` as IP addresses.
        is_number = last.isdigit() or last.startswith("0x")
        return "." in host and not is_number and not any(host == near or host.endswith(f".{near}") for near in _NEAR)
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_global)


def is_safe(address: str) -> bool:
    """Return whether a URL may receive a secret or provide a key. It must be https, or plain http on this machine."""
    return is_web_url(address) and (address.startswith("https://") or is_loopback(address))


def origin_of(address: str) -> str:
    """Return the origin of a URL: scheme, host and port (RFC 6454 §4); "" if it is not an http(s) URL."""
    if not is_web_url(address):
        return ""
    parts = urlsplit(address)
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    return f"{parts.scheme}://{parts.hostname}:{port}"

"""Which addresses may be opened, and which may be told a secret (RFC 8414 §2, RFC 8252 §8.3)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}
# Names that are of one machine or one network by agreement (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal).
_NEAR: Final = ("localhost", "local", "internal", "home.arpa")


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


def is_public(address: str) -> bool:
    """Whether a web address is, by its looks, one of the public network (RFC 9728 §7.7). No name is looked up."""
    host = (urlsplit(address).hostname or "").rstrip(".")
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        last = host.rpartition(".")[2]
        # `127.1` and `0x7f.1` are addresses to some resolvers.
        is_number = last.isdigit() or last.startswith("0x")
        return "." in host and not is_number and not any(host == near or host.endswith(f".{near}") for near in _NEAR)
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_global)


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

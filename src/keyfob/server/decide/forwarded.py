"""Decide the address of a client behind proxies (RFC 7239, X-Forwarded-For). Every limit by address uses the result."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from keyfob.protocol.http import Headers

Network = IPv4Network | IPv6Network
# An address with or without brackets and a port, as both headers have it.
_NODE: Final = re.compile(
    r"""  "?  (?: \[ (?P<six> [0-9a-fA-F:.]+ ) \] (?: :\d+ )?
            |   (?P<four> [0-9.]+ ) (?: :\d+ )?
            |   (?P<bare> [0-9a-fA-F:.]+ ) )  "?  \Z""",
    re.VERBOSE,
)
# One pair of `Forwarded` and its separator (RFC 7239 §4). A quoted string may contain separators.
_PAIR: Final = re.compile(
    r"""  \s* (?P<name> [^\s"=;,]+ ) \s*=\s* (?P<value> "(?: [^"\\] | \\. )*" | [^\s";,]* ) \s* (?P<end> [;,] | \Z )""",
    re.VERBOSE | re.DOTALL,
)


def client_address(peer: str, headers: Headers, proxies: tuple[str, ...], *, is_hidden: bool = False) -> str:
    """Return the address of the client, or "" if it is not known.

    X-Forwarded-For or Forwarded is read only if `peer` is a trusted proxy. Each proxy appends the address of its peer,
    so the entries are read from the right. The first entry that is not a trusted proxy is the client. The entries to
    its left are ignored, since the client could have forged them. If every entry is a trusted proxy, the leftmost is
    the client. If there is no entry, or if the reading meets an unreadable entry, the address is not known.

    Args:
        peer: The address of the connection.
        headers: The headers of the request.
        proxies: The networks of the trusted proxies.
        is_hidden: Whether the connection comes from a proxy. If `proxies` is empty, this proxy is not trusted, so the
            address of the client is not known.
    """
    trusted = _networks(proxies)
    if not trusted:
        return "" if is_hidden else peer
    address = _read(peer)
    if address is None or not _is_in(address, trusted):
        return peer
    for entry in reversed(_entries(headers)):
        found = _read(entry)
        if found is None:
            return ""
        if not _is_in(found, trusted):
            return str(found)
        address = found
    return str(address) if _entries(headers) else ""


def _entries(headers: Headers) -> list[str]:
    """Return the forwarded addresses from X-Forwarded-For or, if that is absent, from Forwarded."""
    old = ",".join(value for name, value in headers if name == "x-forwarded-for")
    if old:
        return [entry.strip() for entry in old.split(",")]
    return [entry for name, value in headers if name == "forwarded" for entry in _nodes(value)]


def _nodes(line: str) -> list[str]:
    """Return the `for` of each element of a Forwarded header. An unreadable element becomes an empty string."""
    found: list[str] = []
    nodes: list[str] = []
    at = 0
    while at < len(line):
        pair = _PAIR.match(line, at)
        if pair is None:
            return [""]
        if pair.group("name").lower() == "for":
            nodes.append(pair.group("value"))
        if pair.group("end") != ";":
            found.append(nodes[0] if len(nodes) == 1 else "")
            nodes = []
        at = pair.end()
    return [*found, ""] if line.endswith((";", ",")) else found


def _read(text: str) -> IPv4Address | IPv6Address | None:
    match = _NODE.match(text)
    try:
        address = ip_address((match.group("six") or match.group("four") or match.group("bare")) if match else "")
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_in(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


@lru_cache(maxsize=8)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)

"""Decide whether a device login and its approval come from one network, by address prefixes (RFC 10027 §6.1).

Addresses are weak evidence. Two people behind one VPN, one company or one carrier-grade NAT share a network. One person
with a terminal on a server, or with a phone on mobile data, uses two networks. The result is `same` only if the
prefixes are equal.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from keyfob.server.records import Nearness

# A provider gives a customer one IPv4 address, and tomorrow perhaps another address of the same /24. A site gets up to
# a /56 of IPv6 (RFC 6177 §2).
IPV4_PREFIX: Final = 24
IPV6_PREFIX: Final = 56
# An address of these networks does not identify a network: addresses that are translated (RFC 6052), tunnelled
# (RFC 4380, RFC 3056), or inside a carrier's NAT (RFC 6598).
_SAY_NOTHING: Final = tuple(map(ip_network, ("64:ff9b::/96", "2001::/32", "2002::/16", "100.64.0.0/10")))


def nearness_of(device: str, browser: str) -> Nearness:
    """Return whether two addresses belong to one network.

    Args:
        device: The address that the device login came from; "" if this address is unknown, as behind a proxy that is
            not in `trusted_proxies`.
        browser: The address of the browser that approves.

    Returns:
        `same` if the addresses have the same prefix, and `other` if they have different prefixes. `unknown` if they
        cannot be compared: the network of one is unknown, or one is IPv4 and the other IPv6.
    """
    one, other = _read(device), _read(browser)
    if one is None or other is None or one.version != other.version:
        return "unknown"
    if one == other:
        return "same"
    length = IPV4_PREFIX if isinstance(one, IPv4Address) else IPV6_PREFIX
    return "same" if other in ip_network((one, length), strict=False) else "other"


def _read(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address, or None if the text is not an address, or if the address does not identify a network."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return None if any(address in network for network in _SAY_NOTHING) else address

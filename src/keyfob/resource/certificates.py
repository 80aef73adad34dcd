"""Read the caller's client certificate from a trusted proxy's header (RFC 8705 §3, RFC 9440).

The proxy terminates TLS. In the TLS handshake, the caller proves that it has the private key of the certificate. To
accept a token that is bound to the certificate, the API needs only this proof. So this module does not validate the
certificate's issuer and expiry. The proxy can validate them.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import unquote

from keyfob.errors import Misuse
from keyfob.protocol.base64url import base64url
from keyfob.protocol.certificate import der_of_pem, thumbprint_of
from keyfob.protocol.http import Request

UNIX: Final = "unix"
_HASH: Final = re.compile(r"(?:^|;)Hash=\"?([0-9A-Fa-f]{64})\"?(?:;|$)", re.IGNORECASE)
_LONGEST: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class CertificateHeader:
    """The header in which a proxy that terminates TLS sends the caller's certificate.

    Any caller can send such a header, so it is accepted only from the listed proxies. Each proxy has to overwrite a
    header of this name in the caller's request.

    Attributes:
        name: The header's name in lower case: `client-cert` (RFC 9440), `x-forwarded-client-cert` (Envoy), or another
            name. With another name, the header's value is percent-encoded PEM (nginx's `$ssl_client_escaped_cert`) or
            DER in base64.
        proxies: The trusted addresses or networks; "unix" for a Unix socket.
        networks: The parsed `proxies`.
    """

    name: str
    proxies: tuple[str, ...]
    networks: tuple[IPv4Network | IPv6Network, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Parse the networks.

        Raises:
            Misuse: The name is empty or not in lower case, there is no proxy, or a proxy is not an IP address or a
                network.
        """
        if not self.name or self.name != self.name.lower() or not self.proxies:
            raise Misuse("a certificate header needs a name in lower case, and the proxies that it is taken from")
        try:
            networks = tuple(ip_network(proxy) for proxy in self.proxies if proxy != UNIX)
        except ValueError:
            raise Misuse("a proxy is an address or a network, such as 10.0.0.0/8") from None
        object.__setattr__(self, "networks", networks)

    def read(self, request: Request) -> str | None:
        """Return the thumbprint of the certificate that a trusted proxy sent.

        Return None if the header is absent, repeated or unreadable, or if the request does not come from a trusted
        proxy.
        """
        values = request.header_values(self.name)
        if len(values) != 1 or not self._trusts(request.peer):
            return None
        return _thumbprint_in(values[0])

    def _trusts(self, peer: str) -> bool:
        if not peer:
            return UNIX in self.proxies
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


def is_same(shown: str | None, bound: str) -> bool:
    """Return whether the thumbprint of the caller's certificate equals the thumbprint to which a token is bound.

    Return False if `shown` is None, that is, if the caller presented no certificate.
    """
    return shown is not None and hmac.compare_digest(shown.encode("ascii"), bound.encode("ascii", "replace"))


def _thumbprint_in(value: str) -> str | None:
    text = value.strip()
    if len(text) > _LONGEST:
        return None
    if found := _HASH.search(text):
        # Envoy appends to the elements of earlier proxies. With two elements, it is unknown which is the caller's.
        return None if "," in text else base64url(bytes.fromhex(found[1]))
    is_bytes = text.startswith(":") and text.endswith(":")  # RFC 9440 §2.1, RFC 8941 §3.3.5
    certificate = _der_of_base64(text[1:-1]) if is_bytes else der_of_pem(unquote(text)) or _der_of_base64(text)
    return None if certificate is None else thumbprint_of(certificate)


def _der_of_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) or None
    except ValueError:  # binascii.Error is a ValueError, and so is the error for text that is not ASCII
        return None

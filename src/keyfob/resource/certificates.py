"""Read the caller's client certificate from a trusted proxy's header (RFC 8705 §3, RFC 9440).

The certificate is not validated here: the proxy that terminates TLS can do that. Here it only matters that the caller
has the private key of the certificate to which the token is bound.
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
    """The header in which a proxy that ends TLS sends the caller's certificate.

    Any caller can send such a header. It is accepted only from the proxies that are listed here. Each of them has to
    replace a header of that name that a caller sent.

    Attributes:
        name: In lower case: `client-cert` (RFC 9440), `x-forwarded-client-cert` (Envoy), or a header with PEM that is
            percent-encoded (nginx's `$ssl_client_escaped_cert`) or with bare base64 DER.
        proxies: The trusted addresses or networks; "unix" for a Unix socket.
        networks: The same, parsed.
    """

    name: str
    proxies: tuple[str, ...]
    networks: tuple[IPv4Network | IPv6Network, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the networks.

        Raises:
            Misuse: There is no name or no proxy, or a proxy is not an address.
        """
        if not self.name or self.name != self.name.lower() or not self.proxies:
            raise Misuse("a certificate header needs a name in lower case, and the proxies that it is taken from")
        try:
            networks = tuple(ip_network(proxy) for proxy in self.proxies if proxy != UNIX)
        except ValueError:
            raise Misuse("a proxy is an address or a network, such as 10.0.0.0/8") from None
        object.__setattr__(self, "networks", networks)

    def read(self, request: Request) -> str | None:
        """Return the thumbprint of the certificate that a trusted proxy sent, or None."""
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
    """Return whether a thumbprint is the one that a token is bound to."""
    return shown is not None and hmac.compare_digest(shown.encode("ascii"), bound.encode("ascii", "replace"))


def _thumbprint_in(value: str) -> str | None:
    text = value.strip()
    if len(text) > _LONGEST:
        return None
    if found := _HASH.search(text):
        # Envoy appends to the elements of earlier proxies: of two, it is unknown which is the caller's.
        return None if "," in text else base64url(bytes.fromhex(found[1]))
    is_bytes = len(text) > 2 and text.startswith(":") and text.endswith(":")  # RFC 9440 §2.1, RFC 8941 §3.3.5
    certificate = _der_of_base64(text[1:-1]) if is_bytes else der_of_pem(unquote(text)) or _der_of_base64(text)
    return None if certificate is None else thumbprint_of(certificate)


def _der_of_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) or None
    except ValueError:  # binascii.Error is one, and so is the error for text that is not ASCII
        return None

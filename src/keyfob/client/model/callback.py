"""The redirect URI: a loopback address of this machine (RFC 8252 §7.3, §8.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from keyfob.errors import Misuse

HOSTS: Final = ("127.0.0.1", "[::1]", "localhost")
PATH: Final = "/callback"


@dataclass(frozen=True, slots=True)
class Callback:
    """One redirect URI on the loopback interface.

    Attributes:
        host: A loopback IP address, or `localhost` if the redirect URI is registered with that name at the server.
        port: The port; 0 for any free port.
    """

    host: str = HOSTS[0]
    port: int = 0
    path: str = PATH

    def address(self, port: int) -> str:
        """Return the redirect URI with the port on which the listener listens."""
        return f"http://{self.host}:{port}{self.path}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse a redirect URI. If it has no port, any free port is used.

        Raises:
            Misuse: The URI is not an http URI with a loopback host, or has a query.
        """
        try:
            parts = urlsplit(text)
            port = parts.port or 0
        except ValueError:
            parts, port = urlsplit(""), 0
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        plain = text.isascii() and text.isprintable() and not (parts.query or parts.fragment or "@" in parts.netloc)
        if parts.scheme != "http" or host not in HOSTS or not plain:
            raise Misuse(
                "the redirect URI is not an http address of this computer",
                hint="It looks like http://127.0.0.1:8484/callback",
            )
        return cls(host, port, parts.path or "/")


# An issuer that follows RFC 8252 accepts any port. IPv6 is for machines without IPv4.
ANYWHERE: Final = (Callback("127.0.0.1"), Callback("[::1]"))

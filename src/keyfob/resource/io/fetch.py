"""Asking the issuer: over the network, and for its metadata (RFC 8414 §3, OpenID Connect Discovery §4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from keyfob.errors import Malformed, Misuse
from keyfob.jose.keys import KeySet
from keyfob.protocol.address import is_safe
from keyfob.protocol.fields import read_json
from keyfob.protocol.http import JSON, Request, Response

if TYPE_CHECKING:  # loaded when the issuer is asked
    from pathlib import Path

    from keyfob.protocol.metadata import ServerMetadata

Sender = Callable[[Request], Response]
_OK: Final = 200


def get(address: str, send: Sender) -> Response:
    """An answer with status 200.

    Raises:
        Malformed: It has another status.
        Unreachable: There is none.
    """
    response = send(Request("GET", address, (("accept", JSON),)))
    if response.status != _OK:
        raise Malformed("the issuer did not answer with its keys or metadata", code="metadata-missing")
    return response


def find_metadata(issuer: str, send: Sender) -> ServerMetadata:
    """The issuer's description of itself.

    Raises:
        Malformed: It has none, or that of another issuer.
        Unreachable: It does not answer.
    """
    from keyfob.protocol.metadata import ServerMetadata, well_known

    for address in well_known(issuer):
        try:
            document = read_json(get(address, send).body, "metadata")
        except Malformed:
            continue
        return ServerMetadata.read(document, issuer=issuer)
    raise Malformed("the issuer has no metadata at its well-known addresses", code="metadata-missing")


def find_keys(issuer: str, send: Sender) -> KeySet:
    """The issuer's keys, once and for nobody else; `IssuerKeys` keeps them.

    Raises:
        Malformed: It has none, or says so in no way that can be followed.
        Unreachable: It does not answer.
    """
    return KeySet.read(read_json(get(find_keys_address(issuer, send), send).body, "key set"))


def find_keys_address(issuer: str, send: Sender) -> str:
    """Where the issuer's keys lie.

    Raises:
        Malformed: It does not say, or at no safe address.
        Unreachable: It does not answer.
    """
    found = find_metadata(issuer, send).jwks_uri
    if found is None or not is_safe(found):
        raise Malformed(
            "the issuer's metadata names no safe address for its keys", field="jwks_uri", code="metadata-missing"
        )
    return found


def fetch_keys(issuer: str, ca: Path | str | None = None) -> KeySet:
    """An issuer's keys as they are now, for `explain` and `verify`; a guard keeps its own.

    Args:
        issuer: As its metadata writes it.
        ca: A file of authorities, in PEM, to trust beside the system's.

    Raises:
        Misuse: The issuer is no address that may be asked.
        Malformed: It has no keys, or says so in no way that can be followed.
        Unreachable: It does not answer.
    """
    from pathlib import Path

    from keyfob.io.http import sender_for  # httpx2 costs 70 ms

    if not is_safe(issuer):
        raise Misuse("an issuer is an https address, or plain http on this machine")
    return find_keys(issuer, sender_for(None if ca is None else Path(ca)))


def send_over_network(request: Request) -> Response:
    """Ask as a guard does, if nobody says otherwise."""
    from keyfob.io.http import send_soon  # httpx2 costs 70 ms

    return send_soon(request)

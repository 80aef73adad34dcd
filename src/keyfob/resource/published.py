"""Where an API is reached, and what it says of itself there (RFC 9728 §3, RFC 9449 §4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from keyfob.errors import Misuse
from keyfob.protocol.address import is_safe
from keyfob.protocol.http import Headers, Request, Response, json_response
from keyfob.protocol.resource_metadata import ResourceMetadata, well_known_resource

# Metadata is for everybody, a page of another site too; it changes seldom.
_HEADERS: Final[Headers] = (("cache-control", "public, max-age=3600"), ("access-control-allow-origin", "*"))


@dataclass(frozen=True, slots=True)
class Published:
    """An API's address, and the document at its well-known place.

    Attributes:
        metadata: What the document says; its `resource` is the address where callers reach the API, behind whatever
            stands in between. Requests are taken to have come to it, whatever their Host header says.
    """

    metadata: ResourceMetadata

    def __post_init__(self) -> None:
        """Refuse what could never be safe.

        Raises:
            Misuse: The address is not safe, or has a fragment (RFC 9728 §1.2) or a query.
        """
        resource = self.metadata.resource
        if not is_safe(resource) or "#" in resource or "?" in resource:
            raise Misuse("an API's address is https, or plain http on this machine, without query and fragment")

    @property
    def url(self) -> str:
        """Where the metadata lies."""
        return well_known_resource(self.metadata.resource)

    def answer(self, request: Request) -> Response | None:
        """The metadata, if that is what is asked for; None for all other requests."""
        if request.path != urlsplit(self.url).path:
            return None
        if request.method not in {"GET", "HEAD"}:
            return Response(405, (("allow", "GET, HEAD"),))
        found = json_response(200, self.metadata.write(), headers=_HEADERS)
        return Response(found.status, found.headers) if request.method == "HEAD" else found

    def address_of(self, request: Request) -> str:
        """The address that a caller used, as far as proofs tell it: without the query.

        A path below that of the API's address is taken as it is; to any other, the API's path is added, which a proxy
        will have taken away.
        """
        parts = urlsplit(self.metadata.resource)
        prefix, path = parts.path.rstrip("/"), request.path
        is_whole = path == prefix or path.startswith(f"{prefix}/")
        return f"{parts.scheme}://{parts.netloc}{path if is_whole else prefix + path}"

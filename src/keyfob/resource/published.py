"""The address of an API and its metadata document (RFC 9728 §3, RFC 9449 §4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from keyfob.errors import Misuse
from keyfob.protocol.address import is_safe
from keyfob.protocol.http import Headers, Request, Response, json_response
from keyfob.protocol.resource_metadata import ResourceMetadata, well_known_resource
from keyfob.resource.challenges import ChallengeSettings
from keyfob.resource.dpop_settings import DpopSettings
from keyfob.resource.policy import Policy

# Metadata is public, for pages of other sites too, and rarely changes.
_HEADERS: Final[Headers] = (("cache-control", "public, max-age=3600"), ("access-control-allow-origin", "*"))


@dataclass(frozen=True, slots=True)
class Published:
    """An API's address, and its metadata document at a well-known path.

    Attributes:
        metadata: The metadata. Its `resource` is the URL at which callers reach the API, in front of any proxy. This
            URL takes the place of a request's Host header, which is ignored.
        url: The URL of the metadata.
        path: The path of `url`, with which each request's path is compared.
    """

    metadata: ResourceMetadata
    url: str = field(init=False, repr=False, compare=False)
    path: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse an unsafe address.

        Raises:
            Misuse: The address is not safe, or has a fragment (RFC 9728 §1.2) or a query.
        """
        resource = self.metadata.resource
        if not is_safe(resource) or "#" in resource or "?" in resource:
            raise Misuse("an API's address is https, or plain http on this machine, without query and fragment")
        url = well_known_resource(resource)
        object.__setattr__(self, "url", url)
        object.__setattr__(self, "path", urlsplit(url).path)

    def challenges(self, realm: str) -> ChallengeSettings:
        """Return the challenge settings that follow from the metadata."""
        return ChallengeSettings(
            realm,
            self.url,
            self.metadata.dpop_signing_alg_values_supported,
            self.metadata.dpop_bound_access_tokens_required,
        )

    def answer(self, request: Request) -> Response | None:
        """Return the metadata if the request asks for it, else None."""
        if request.path != self.path:
            return None
        if request.method not in {"GET", "HEAD"}:
            return Response(405, (("allow", "GET, HEAD"),))
        found = json_response(200, self.metadata.write(), headers=_HEADERS)
        return Response(found.status, found.headers) if request.method == "HEAD" else found

    def address_of(self, request: Request) -> str:
        """Return the URL without a query to which a DPoP proof's `htu` must be equal.

        This URL is the address that the caller used. If the request's path does not start with the path of the API's
        address, a proxy has removed that path. In that case, this method puts the path in front again.
        """
        parts = urlsplit(self.metadata.resource)
        prefix, path = parts.path.rstrip("/"), request.path
        is_whole = path == prefix or path.startswith(f"{prefix}/")
        return f"{parts.scheme}://{parts.netloc}{path if is_whole else prefix + path}"


def publish(
    policies: Sequence[Policy],
    address: str | None,
    metadata: ResourceMetadata | None,
    dpop: DpopSettings | None,
    *,
    takes_certificates: bool,
) -> Published | None:
    """Return the API's address and complete metadata; None if the API has no address.

    Raises:
        Misuse: The settings contradict each other, or the address is not safe.
    """
    resource = address or (metadata.resource if metadata else None)
    if resource is None:
        if dpop is not None:
            raise Misuse("proofs are for an address: a guard without one cannot tell what they are for")
        return None
    if metadata is not None and metadata.resource != resource:
        raise Misuse("a guard's metadata is of its address")
    dpop, given = dpop or DpopSettings(), metadata or ResourceMetadata(resource)
    return Published(
        ResourceMetadata(
            resource=resource,
            authorization_servers=tuple(policy.issuer for policy in policies),
            scopes_supported=given.scopes_supported,
            bearer_methods_supported=("header",),
            resource_name=given.resource_name,
            resource_documentation=given.resource_documentation,
            dpop_signing_alg_values_supported=dpop.algorithms,
            dpop_bound_access_tokens_required=dpop.required,
            tls_client_certificate_bound_access_tokens=(
                given.tls_client_certificate_bound_access_tokens or takes_certificates
            ),
            more=given.more,
        )
    )

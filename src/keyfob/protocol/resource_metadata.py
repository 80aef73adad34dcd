"""Protected resource metadata, by which a client finds an API's authorization server (RFC 9728 §2-3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True, slots=True)
class ResourceMetadata:
    """An API's metadata.

    Attributes:
        resource: The API's identifier, a URL.
        authorization_servers: The issuers whose tokens the API accepts.
        dpop_signing_alg_values_supported: The accepted algorithms of DPoP proofs; () if the API does not support DPoP.
        more: Other members, which `write` adds.
    """

    resource: str
    authorization_servers: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()
    bearer_methods_supported: tuple[str, ...] = ()
    resource_name: str | None = None
    resource_documentation: str | None = None
    dpop_signing_alg_values_supported: tuple[str, ...] = ()
    dpop_bound_access_tokens_required: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    more: Mapping[str, object] = field(default_factory=dict[str, object])

    def write(self) -> dict[str, object]:
        members: dict[str, object] = {
            **self.more,
            "resource": self.resource,
            "authorization_servers": list(self.authorization_servers),
            "scopes_supported": list(self.scopes_supported),
            "bearer_methods_supported": list(self.bearer_methods_supported),
            "resource_name": self.resource_name,
            "resource_documentation": self.resource_documentation,
            "dpop_signing_alg_values_supported": list(self.dpop_signing_alg_values_supported),
            "dpop_bound_access_tokens_required": self.dpop_bound_access_tokens_required,
            "tls_client_certificate_bound_access_tokens": self.tls_client_certificate_bound_access_tokens,
        }
        return {name: value for name, value in members.items() if value not in (None, "", [], False)}

    @classmethod
    def read(cls, fields: Fields, *, resource: str) -> Self:
        """Parse a metadata document. Its member `resource` must equal the argument `resource` (RFC 9728 §3.3)."""
        if fields.text("resource") != resource:
            raise Malformed("the metadata is of another API than the one asked for", field="resource")
        return cls(
            resource=resource,
            authorization_servers=fields.texts("authorization_servers"),
            scopes_supported=fields.texts("scopes_supported"),
            bearer_methods_supported=fields.texts("bearer_methods_supported"),
            resource_name=fields.optional_text("resource_name"),
            resource_documentation=fields.optional_url("resource_documentation"),
            dpop_signing_alg_values_supported=fields.texts("dpop_signing_alg_values_supported"),
            dpop_bound_access_tokens_required=fields.values.get("dpop_bound_access_tokens_required") is True,
            tls_client_certificate_bound_access_tokens=(
                fields.values.get("tls_client_certificate_bound_access_tokens") is True
            ),
        )


def well_known_resource(resource: str) -> str:
    """Return the URL of an API's metadata: the well-known path is between host and path (RFC 9728 §3.1)."""
    parts = urlsplit(resource)
    path = "" if parts.path == "/" else parts.path
    return urlunsplit((parts.scheme, parts.netloc, WELL_KNOWN + path, parts.query, ""))

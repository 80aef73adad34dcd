"""Put a guard together: whom it trusts, on which terms, and what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from keyfob.errors import Misuse
from keyfob.resource.challenges import Terms
from keyfob.resource.io.clock import Clock
from keyfob.resource.io.fetch import Sender, send_over_network
from keyfob.resource.io.keys import IssuerKeys
from keyfob.resource.judge import Judge, Trust, Ways
from keyfob.resource.policy import Policy
from keyfob.resource.require import requirement_of

if TYPE_CHECKING:  # a guard that has no use for them loads none of it
    from keyfob.protocol.resource_metadata import ResourceMetadata
    from keyfob.resource.certificates import CertificateHeader
    from keyfob.resource.introspected import Introspection
    from keyfob.resource.io.introspect import Introspector
    from keyfob.resource.proof_validation import Possession, Proofs
    from keyfob.resource.published import Published

requirements = lru_cache(maxsize=256)(requirement_of)  # a route asks for the same at every call


@dataclass(frozen=True, slots=True)
class Settings:
    """What a guard is told, beside its policies; `keyfob.guard.Guard` says what each is."""

    address: str | None
    metadata: ResourceMetadata | None
    proofs: Proofs | None
    certificates: CertificateHeader | None
    introspection: Introspection | None
    remember: int
    realm: str
    send: Sender | None
    clock: Clock


def build(policies: Sequence[Policy], settings: Settings) -> tuple[Judge, Published | None]:
    """Who judges, and what is published.

    Raises:
        Misuse: A value could never be right.
    """
    if len({policy.issuer for policy in policies}) != len(policies):
        raise Misuse("a guard has one policy for each issuer")
    if settings.remember < 0:
        raise Misuse("a guard cannot remember fewer than no tokens")
    send, published = settings.send or send_over_network, _publish(policies, settings)
    ways = Ways(
        terms=_terms(settings.realm, published),
        possession=None if published is None else _possession(settings.proofs, published),
        certificates=settings.certificates,
        introspector=None if settings.introspection is None else _introspector(policies, settings, send),
        remember=settings.remember,
    )
    issuers = [Trust(policy, IssuerKeys(policy.issuer, send, jwks_uri=policy.jwks_uri)) for policy in policies]
    return Judge(issuers, ways, clock=settings.clock), published


def _publish(policies: Sequence[Policy], settings: Settings) -> Published | None:
    proofs, metadata = settings.proofs, settings.metadata
    resource = settings.address or (metadata.resource if metadata else None)
    if resource is None:
        if proofs is not None:
            raise Misuse("proofs are for an address: a guard without one cannot tell what they are for")
        return None
    if metadata is not None and metadata.resource != resource:
        raise Misuse("a guard's metadata is of its address")
    from keyfob.protocol.resource_metadata import ResourceMetadata
    from keyfob.resource.proof_validation import Proofs
    from keyfob.resource.published import Published

    ways, more = proofs or Proofs(), metadata or ResourceMetadata(resource)
    return Published(
        ResourceMetadata(
            resource=resource,
            authorization_servers=tuple(policy.issuer for policy in policies),
            scopes_supported=more.scopes_supported,
            bearer_methods_supported=("header",),
            resource_name=more.resource_name,
            resource_documentation=more.resource_documentation,
            dpop_signing_alg_values_supported=ways.algorithms,
            dpop_bound_access_tokens_required=ways.are_needed,
            tls_client_certificate_bound_access_tokens=(
                more.tls_client_certificate_bound_access_tokens or settings.certificates is not None
            ),
            more=more.more,
        )
    )


def _possession(proofs: Proofs | None, published: Published) -> Possession:
    from keyfob.resource.proof_validation import Possession, Proofs

    return Possession(proofs or Proofs(), published)


def _terms(realm: str, published: Published | None) -> Terms:
    if published is None:
        return Terms(realm)
    said = published.metadata
    return Terms(realm, published.url, said.dpop_signing_alg_values_supported, said.dpop_bound_access_tokens_required)


def _introspector(policies: Sequence[Policy], settings: Settings, send: Sender) -> Introspector:
    from keyfob.resource.io.introspect import Introspector

    asked = settings.introspection
    for policy in policies:
        if asked is not None and asked.issuer in {"", policy.issuer}:
            return Introspector(asked, policy, send, settings.clock)
    raise Misuse("introspection names an issuer that the guard does not trust")

"""Assemble a guard's verifier from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keyfob.errors import Misuse
from keyfob.lazy import LazyModule
from keyfob.protocol.http import Request, Response
from keyfob.protocol.resource_metadata import ResourceMetadata
from keyfob.resource.certificates import CertificateHeader
from keyfob.resource.challenges import ChallengeSettings
from keyfob.resource.dpop_settings import DpopSettings
from keyfob.resource.introspected import Introspection
from keyfob.resource.io.keys import IssuerKeys
from keyfob.resource.judge import TrustedIssuer, Verifier
from keyfob.resource.policy import Policy
from keyfob.resource.ports import Clock, Sender
from keyfob.resource.published import Published, publish

if TYPE_CHECKING:
    from keyfob.resource import proof_validation
    from keyfob.resource.io import introspect
else:  # needed only if the API has an address or introspects tokens
    proof_validation = LazyModule("keyfob.resource.proof_validation")
    introspect = LazyModule("keyfob.resource.io.introspect")


def build(  # noqa: PLR0913  settings, each by its name
    policies: Sequence[Policy],
    *,
    address: str | None,
    metadata: ResourceMetadata | None,
    dpop: DpopSettings | None,
    certificates: CertificateHeader | None,
    introspection: Introspection | None,
    remember: int,
    realm: str,
    send: Sender | None,
    clock: Clock,
) -> tuple[Verifier, Published | None]:
    """Return the verifier and the metadata to publish. The metadata is None if the API has no address.

    `keyfob.guard.Guard` documents the settings.

    Raises:
        Misuse: The settings contradict each other.
    """
    if len({policy.issuer for policy in policies}) != len(policies):
        raise Misuse("a guard has one policy for each issuer")
    if remember < 0:
        raise Misuse("a guard cannot remember fewer than no tokens")
    send = send or _send_over_network
    published = publish(policies, address, metadata, dpop, takes_certificates=certificates is not None)
    challenges = ChallengeSettings(realm) if published is None else published.challenges(realm)
    verifier = Verifier(
        [TrustedIssuer(policy, IssuerKeys(policy.issuer, send, jwks_uri=policy.jwks_uri)) for policy in policies],
        challenges,
        proofs=None
        if published is None
        else proof_validation.ProofValidator(dpop or DpopSettings(), published, challenges),
        certificates=certificates,
        introspector=None if introspection is None else _introspector(introspection, policies, send, clock),
        remember=remember,
        clock=clock,
    )
    return verifier, published


def _introspector(
    settings: Introspection, policies: Sequence[Policy], send: Sender, clock: Clock
) -> introspect.IssuerIntrospector:
    for policy in policies:
        if settings.issuer in {"", policy.issuer}:
            return introspect.IssuerIntrospector(settings, policy, send, clock)
    raise Misuse("introspection names an issuer that the guard does not trust")


def _send_over_network(request: Request) -> Response:
    from keyfob.io.http import send_soon  # noqa: PLC0415  a guard that gets no token sends nothing

    return send_soon(request)

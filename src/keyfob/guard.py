"""Door: an API that checks tokens.

    from keyfob.guard import Guard

    guard = Guard(issuer="https://login.example.com/", audience="https://api.example.com")
    app = guard.asgi(app, "read:orders")               # any ASGI application
    Depends(guard.requires("read:orders"))             # FastAPI
    @guard.flask("read:orders")                        # Flask; and Django, REST framework, any WSGI application

Verification is offline: the issuer's keys are fetched at the first token, kept, and fetched again when they age or
when a token names an unknown key, at most once in 30 s. More, such as several issuers, opaque tokens, tokens that are
bound to a key, and stronger logins for some actions: docs/guard.md.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyfob.errors import Misuse
from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import KeySet
from keyfob.protocol.address import is_safe
from keyfob.protocol.claims import Profile
from keyfob.protocol.http import Request, Response
from keyfob.protocol.resource_metadata import ResourceMetadata
from keyfob.resource.certificates import CertificateHeader
from keyfob.resource.explain import Check, Explanation, explain
from keyfob.resource.introspected import Introspection
from keyfob.resource.io.asgi import App, guarded
from keyfob.resource.io.ask import Sender, find_keys
from keyfob.resource.io.guard import Clock, Judge, Trust, Ways, wall_clock
from keyfob.resource.io.keys import IssuerKeys
from keyfob.resource.io.once import PRINCIPAL
from keyfob.resource.io.possession import Possession, Proofs
from keyfob.resource.io.replays import Replays, ReplaysInMemory
from keyfob.resource.kind import Kind, kind_of
from keyfob.resource.policy import DEFAULT_LEEWAY, Policy
from keyfob.resource.published import Published
from keyfob.resource.require import Denial, Requirement, require, requirement_of
from keyfob.resource.terms import Terms
from keyfob.resource.verify import KeyNeeded, Principal, choose_policy, verify

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from django.urls import URLPattern
    from flask import Flask
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.permissions import BasePermission
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection

    from keyfob.resource.io.introspect import Introspector

__all__ = [
    "PRINCIPAL",
    "CertificateHeader",
    "Check",
    "Denial",
    "Explanation",
    "Guard",
    "Introspection",
    "KeyNeeded",
    "Kind",
    "Policy",
    "Principal",
    "Proofs",
    "Replays",
    "ReplaysInMemory",
    "Requirement",
    "choose_policy",
    "explain",
    "fetch_keys",
    "kind_of",
    "require",
    "verify",
]

View = Callable[..., Any]
_requirements = lru_cache(maxsize=256)(requirement_of)  # a route asks for the same at every call


class Guard:
    """Checks the tokens of one issuer, or of several, for one API."""

    def __init__(  # noqa: PLR0913  settings, each by its name
        self,
        *policies: Policy,
        issuer: str = "",
        audience: str = "",
        algorithms: tuple[Algorithm, ...] = ("RS256",),
        profile: Profile = "auth0",
        leeway: timedelta = DEFAULT_LEEWAY,
        address: str | None = None,
        metadata: ResourceMetadata | None = None,
        proofs: Proofs | None = None,
        certificates: CertificateHeader | None = None,
        introspection: Introspection | None = None,
        remember: int = 0,
        realm: str = "api",
        send: Sender | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Know whom to trust; nothing is fetched yet.

        Args:
            policies: Several issuers, each with what is accepted of it; instead of the next five.
            issuer: As its metadata writes it; a trailing slash counts.
            audience: This API's identifier.
            algorithms: The only ones accepted.
            profile: "rfc9068" insists on that profile; "auth0" takes either.
            leeway: How far clocks may differ.
            address: Where callers reach this API, such as `https://api.example.com/v1`, whatever stands in between.
                Gives it metadata, which challenges then name, and lets it take tokens that are bound to a key.
            metadata: What the metadata says beside that; its `resource` is the address then.
            proofs: How tokens that are bound to a key are taken; only with an address.
            certificates: Where a trusted proxy puts client certificates.
            introspection: How to ask about opaque tokens; else they are refused.
            remember: How many verified tokens to remember, never beyond their end or their keys; 0 remembers none.
            realm: Named in challenges.
            send: Who talks to the issuers; ordinary HTTP by default.
            clock: What the time is; for tests.

        Raises:
            Misuse: A value could never be right.
        """
        if bool(policies) == bool(issuer or audience):
            raise Misuse("a guard is given an issuer and an audience, or policies")
        trusted = policies or (Policy(issuer, audience, algorithms, profile, leeway),)
        if len({policy.issuer for policy in trusted}) != len(trusted):
            raise Misuse("a guard has one policy for each issuer")
        if remember < 0:
            raise Misuse("a guard cannot remember fewer than no tokens")
        ask = send or _send_over_network
        self._published = _publish(address, metadata, trusted, proofs, certificates)
        ways = Ways(
            terms=_terms(realm, self._published),
            possession=None if self._published is None else Possession(proofs or Proofs(), self._published),
            certificates=certificates,
            introspector=None if introspection is None else _introspector(introspection, trusted, ask, clock),
            remember=remember,
        )
        issuers = [Trust(policy, IssuerKeys(policy.issuer, ask, jwks_uri=policy.jwks_uri)) for policy in trusted]
        self._judge = Judge(issuers, ways, clock=clock)
        self._shown_as = (tuple(policy.issuer for policy in trusted), realm)

    def check(
        self, request: Request, *needs: str | Requirement, certificate: bytes | None = None
    ) -> Principal | Denial:
        """Judge a request: who calls, or the answer to give. Blocks when keys are due.

        Args:
            request: Its method, path, headers, and the peer where a proxy is trusted; its body is not looked at.
            needs: Names of scopes, or what `require` makes; all are needed.
            certificate: The caller's TLS certificate in DER, where the server ended TLS itself.
        """
        return self._judge.check(request, _requirements(needs), certificate)

    async def check_async(
        self, request: Request, *needs: str | Requirement, certificate: bytes | None = None
    ) -> Principal | Denial:
        """As `check`, without blocking the event loop."""
        return await self._judge.check_async(request, _requirements(needs), certificate)

    def metadata(self, request: Request) -> Response | None:
        """This API's metadata, if a request asks for it (RFC 9728 §3.1); None for all others. Needs no token."""
        return None if self._published is None else self._published.answer(request)

    def asgi(self, app: App, *needs: str | Requirement) -> App:
        """An ASGI application behind this guard; `scope["keyfob.principal"]` says who calls."""
        return guarded(app, self._judge, requirement_of(needs), self._published)

    def requires(self, *needs: str | Requirement) -> Callable[[HTTPConnection], Awaitable[Principal]]:
        """A FastAPI dependency, shown in its OpenAPI; in Starlette, `await guard.requires("read:orders")(request)`.

        For a WebSocket, too. Both frameworks answer in shapes of their own until `answers` is called.
        """
        wanted = requirement_of(needs)
        # Whoever writes `Depends(...)` has loaded FastAPI; a Starlette application need not pay for it.
        if "fastapi" in sys.modules:
            from keyfob.resource.io import fastapi  # noqa: PLC0415

            return fastapi.requires(self._judge, wanted, fastapi.Shown(*self._shown_as))
        from keyfob.resource.io.starlette import requires  # noqa: PLC0415

        return requires(self._judge, wanted)

    def answers(self, app: Starlette) -> None:
        """Let a FastAPI or Starlette application answer denials as all other guards do, and serve the metadata."""
        from keyfob.resource.io.starlette import answer_denials, serve_metadata  # noqa: PLC0415

        answer_denials(app)
        if self._published is not None:
            serve_metadata(app, self._published)

    def wsgi(self, app: WSGIApplication, *needs: str | Requirement) -> WSGIApplication:
        """A WSGI application behind this guard; `environ["keyfob.principal"]` says who calls."""
        from keyfob.resource.io.wsgi import guarded  # noqa: PLC0415

        return guarded(app, self._judge, requirement_of(needs), self._published)

    def flask(self, *needs: str | Requirement) -> Callable[[View], View]:
        """A decorator for Flask views, below `@app.route`; `g.principal` says who calls."""
        from keyfob.resource.io.flask import requires  # noqa: PLC0415

        return requires(self._judge, requirement_of(needs))

    def flask_metadata(self, app: Flask) -> None:
        """Let a Flask application serve this API's metadata.

        Raises:
            Misuse: The guard has no address.
        """
        from keyfob.resource.io.flask import serve_metadata  # noqa: PLC0415

        serve_metadata(app, self._address())

    def django(self, *needs: str | Requirement) -> Callable[[View], View]:
        """A decorator for Django views; `request.principal` says who calls."""
        from keyfob.resource.io.django import requires  # noqa: PLC0415

        return requires(self._judge, requirement_of(needs))

    def django_middleware(self, *needs: str | Requirement) -> Callable[[View], View]:
        """A middleware for Django that guards every view; give it a name that `MIDDLEWARE` can point at."""
        from keyfob.resource.io.django import middleware  # noqa: PLC0415

        return middleware(self._judge, requirement_of(needs), self._published)

    def django_metadata(self) -> URLPattern:
        """One of the `urlpatterns` of a Django site: this API's metadata.

        Raises:
            Misuse: The guard has no address.
        """
        from keyfob.resource.io.django import metadata  # noqa: PLC0415

        return metadata(self._address())

    def drf_authentication(self) -> type[BaseAuthentication]:
        """An authentication class of Django REST framework; `request.auth` says who calls."""
        from keyfob.resource.io.rest_framework import authentication  # noqa: PLC0415

        return authentication(self._judge)

    def drf_permission(self, *needs: str | Requirement) -> type[BasePermission]:
        """A permission class of Django REST framework, asking for these scopes."""
        from keyfob.resource.io.rest_framework import permission  # noqa: PLC0415

        return permission(self._judge, requirement_of(needs))

    def _address(self) -> Published:
        if self._published is None:
            raise Misuse("a guard has metadata when it has an address")
        return self._published


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
    from keyfob.io.http import sender_for  # noqa: PLC0415  httpx2 costs 70 ms

    if not is_safe(issuer):
        raise Misuse("an issuer is an https address, or plain http on this machine")
    return find_keys(issuer, sender_for(None if ca is None else Path(ca)))


def _publish(
    address: str | None,
    metadata: ResourceMetadata | None,
    policies: tuple[Policy, ...],
    proofs: Proofs | None,
    certificates: CertificateHeader | None,
) -> Published | None:
    resource = address or (metadata.resource if metadata else None)
    if resource is None:
        if proofs is not None:
            raise Misuse("proofs are for an address: a guard without one cannot tell what they are for")
        return None
    if metadata is not None and metadata.resource != resource:
        raise Misuse("a guard's metadata is of its address")
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
                more.tls_client_certificate_bound_access_tokens or certificates is not None
            ),
            more=more.more,
        )
    )


def _terms(realm: str, published: Published | None) -> Terms:
    if published is None:
        return Terms(realm)
    said = published.metadata
    return Terms(realm, published.url, said.dpop_signing_alg_values_supported, said.dpop_bound_access_tokens_required)


def _introspector(settings: Introspection, policies: tuple[Policy, ...], send: Sender, clock: Clock) -> Introspector:
    from keyfob.resource.io.introspect import Introspector  # noqa: PLC0415  for those who ask

    for policy in policies:
        if settings.issuer in {"", policy.issuer}:
            return Introspector(settings, policy, send, clock)
    raise Misuse("introspection names an issuer that the guard does not trust")


def _send_over_network(request: Request) -> Response:
    from keyfob.io.http import send_soon  # noqa: PLC0415  httpx2 costs 70 ms

    return send_soon(request)

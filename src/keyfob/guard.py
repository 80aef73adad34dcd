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
from typing import TYPE_CHECKING, Any

from keyfob.errors import Misuse
from keyfob.lazy import shows
from keyfob.resource.io.clock import wall_clock
from keyfob.resource.policy import DEFAULT_LEEWAY, Policy

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from django.urls import URLPattern
    from flask import Flask
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.permissions import BasePermission
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection

    from keyfob.jose.algorithms import Algorithm
    from keyfob.protocol.claims import Profile
    from keyfob.protocol.http import Request, Response
    from keyfob.protocol.resource_metadata import ResourceMetadata
    from keyfob.resource.certificates import CertificateHeader
    from keyfob.resource.explain import Check, Explanation, explain
    from keyfob.resource.frameworks.asgi import App
    from keyfob.resource.introspected import Introspection
    from keyfob.resource.io.clock import Clock
    from keyfob.resource.io.fetch import Sender, fetch_keys
    from keyfob.resource.once import PRINCIPAL
    from keyfob.resource.proof_validation import Proofs
    from keyfob.resource.published import Published
    from keyfob.resource.replays import Replays, ReplaysInMemory
    from keyfob.resource.require import Denial, Requirement, require
    from keyfob.resource.token_kind import Kind, kind_of
    from keyfob.resource.verify import KeyNeeded, Principal, choose_policy, verify
else:
    __getattr__, __dir__ = shows(
        __name__,
        {
            "keyfob.resource.certificates": ("CertificateHeader",),
            "keyfob.resource.explain": ("Check", "Explanation", "explain"),
            "keyfob.resource.introspected": ("Introspection",),
            "keyfob.resource.io.fetch": ("fetch_keys",),
            "keyfob.resource.once": ("PRINCIPAL",),
            "keyfob.resource.proof_validation": ("Proofs",),
            "keyfob.resource.replays": ("Replays", "ReplaysInMemory"),
            "keyfob.resource.token_kind": ("Kind", "kind_of"),
            "keyfob.resource.require": ("Denial", "Requirement", "require"),
            "keyfob.resource.verify": ("KeyNeeded", "Principal", "choose_policy", "verify"),
        },
    )

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
        from keyfob.resource.io.build import Settings, build, requirements  # noqa: PLC0415  keys, tokens, the lot: 30 ms

        self._needed = requirements
        told = Settings(
            address,
            metadata,
            proofs,
            certificates,
            introspection,
            remember=remember,
            realm=realm,
            send=send,
            clock=clock,
        )
        self._judge, self._published = build(trusted, told)
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
        return self._judge.check(request, self._needed(needs), certificate)

    async def check_async(
        self, request: Request, *needs: str | Requirement, certificate: bytes | None = None
    ) -> Principal | Denial:
        """As `check`, without blocking the event loop."""
        return await self._judge.check_async(request, self._needed(needs), certificate)

    def metadata(self, request: Request) -> Response | None:
        """This API's metadata, if a request asks for it (RFC 9728 §3.1); None for all others. Needs no token."""
        return None if self._published is None else self._published.answer(request)

    def asgi(self, app: App, *needs: str | Requirement) -> App:
        """An ASGI application behind this guard; `scope["keyfob.principal"]` says who calls."""
        from keyfob.resource.frameworks.asgi import guarded  # noqa: PLC0415

        return guarded(app, self._judge, self._needed(needs), self._published)

    def requires(self, *needs: str | Requirement) -> Callable[[HTTPConnection], Awaitable[Principal]]:
        """A FastAPI dependency, shown in its OpenAPI; in Starlette, `await guard.requires("read:orders")(request)`.

        For a WebSocket, too. Both frameworks answer in shapes of their own until `answers` is called.
        """
        wanted = self._needed(needs)
        # Whoever writes `Depends(...)` has loaded FastAPI; a Starlette application need not pay for it.
        if "fastapi" in sys.modules:
            from keyfob.resource.frameworks import fastapi  # noqa: PLC0415

            return fastapi.requires(self._judge, wanted, fastapi.Shown(*self._shown_as))
        from keyfob.resource.frameworks.starlette import requires  # noqa: PLC0415

        return requires(self._judge, wanted)

    def answers(self, app: Starlette) -> None:
        """Let a FastAPI or Starlette application answer denials as all other guards do, and serve the metadata."""
        from keyfob.resource.frameworks.starlette import answer_denials, serve_metadata  # noqa: PLC0415

        answer_denials(app)
        if self._published is not None:
            serve_metadata(app, self._published)

    def wsgi(self, app: WSGIApplication, *needs: str | Requirement) -> WSGIApplication:
        """A WSGI application behind this guard; `environ["keyfob.principal"]` says who calls."""
        from keyfob.resource.frameworks.wsgi import guarded  # noqa: PLC0415

        return guarded(app, self._judge, self._needed(needs), self._published)

    def flask(self, *needs: str | Requirement) -> Callable[[View], View]:
        """A decorator for Flask views, below `@app.route`; `g.principal` says who calls."""
        from keyfob.resource.frameworks.flask import requires  # noqa: PLC0415

        return requires(self._judge, self._needed(needs))

    def flask_metadata(self, app: Flask) -> None:
        """Let a Flask application serve this API's metadata.

        Raises:
            Misuse: The guard has no address.
        """
        from keyfob.resource.frameworks.flask import serve_metadata  # noqa: PLC0415

        serve_metadata(app, self._address())

    def django(self, *needs: str | Requirement) -> Callable[[View], View]:
        """A decorator for Django views; `request.principal` says who calls."""
        from keyfob.resource.frameworks.django import requires  # noqa: PLC0415

        return requires(self._judge, self._needed(needs))

    def django_middleware(self, *needs: str | Requirement) -> Callable[[View], View]:
        """A middleware for Django that guards every view; give it a name that `MIDDLEWARE` can point at."""
        from keyfob.resource.frameworks.django import middleware  # noqa: PLC0415

        return middleware(self._judge, self._needed(needs), self._published)

    def django_metadata(self) -> URLPattern:
        """One of the `urlpatterns` of a Django site: this API's metadata.

        Raises:
            Misuse: The guard has no address.
        """
        from keyfob.resource.frameworks.django import metadata  # noqa: PLC0415

        return metadata(self._address())

    def drf_authentication(self) -> type[BaseAuthentication]:
        """An authentication class of Django REST framework; `request.auth` says who calls."""
        from keyfob.resource.frameworks.rest_framework import authentication  # noqa: PLC0415

        return authentication(self._judge)

    def drf_permission(self, *needs: str | Requirement) -> type[BasePermission]:
        """A permission class of Django REST framework, asking for these scopes."""
        from keyfob.resource.frameworks.rest_framework import permission  # noqa: PLC0415

        return permission(self._judge, self._needed(needs))

    def _address(self) -> Published:
        if self._published is None:
            raise Misuse("a guard has metadata when it has an address")
        return self._published

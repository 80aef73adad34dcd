"""Token validation for an API.

    from keyfob.guard import Guard

    guard = Guard(issuer="https://login.example.com/", audience="https://api.example.com")
    app = guard.asgi(app, "read:orders")               # any ASGI application
    Depends(guard.requires("read:orders"))             # FastAPI
    @guard.flask("read:orders")                        # Flask; and Django, REST framework, any WSGI application

JWTs are verified offline. The issuer's keys are fetched at the first token and cached. They are fetched again when they
are stale, or when a token names an unknown key, but at most once in 30 s. Several issuers, opaque tokens, bound tokens
and step-up logins: docs/guard.md.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from keyfob.errors import Misuse
from keyfob.lazy import LazyModule, shows
from keyfob.resource.io.clock import wall_clock
from keyfob.resource.policy import DEFAULT_LEEWAY
from keyfob.resource.policy import Policy as Policy

# The public names, beside Guard. `X as X` tells type checkers that a name is public. At run time all but Policy are
# loaded on first use, since they need the cryptography library: 30 ms.
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
    from keyfob.resource import require as _require
    from keyfob.resource.certificates import CertificateHeader as CertificateHeader
    from keyfob.resource.dpop_settings import DpopSettings as DpopSettings
    from keyfob.resource.explain import explain as explain
    from keyfob.resource.frameworks import asgi as _asgi
    from keyfob.resource.frameworks import django as _django
    from keyfob.resource.frameworks import fastapi as _fastapi
    from keyfob.resource.frameworks import flask as _flask
    from keyfob.resource.frameworks import rest_framework as _rest_framework
    from keyfob.resource.frameworks import starlette as _starlette
    from keyfob.resource.frameworks import wsgi as _wsgi
    from keyfob.resource.frameworks.asgi import App
    from keyfob.resource.introspected import Introspection as Introspection
    from keyfob.resource.io import build as _build
    from keyfob.resource.io.fetch import fetch_keys as fetch_keys
    from keyfob.resource.once import PRINCIPAL as PRINCIPAL
    from keyfob.resource.ports import Clock, Sender
    from keyfob.resource.published import Published
    from keyfob.resource.replays import Replays as Replays
    from keyfob.resource.require import Denial as Denial
    from keyfob.resource.require import Requirement as Requirement
    from keyfob.resource.require import require as require
    from keyfob.resource.verify import KeyNeeded as KeyNeeded
    from keyfob.resource.verify import Principal as Principal
    from keyfob.resource.verify import choose_policy as choose_policy
    from keyfob.resource.verify import verify as verify
else:
    _LAZY = {
        "keyfob.resource.certificates": ("CertificateHeader",),
        "keyfob.resource.dpop_settings": ("DpopSettings",),
        "keyfob.resource.explain": ("explain",),
        "keyfob.resource.introspected": ("Introspection",),
        "keyfob.resource.io.fetch": ("fetch_keys",),
        "keyfob.resource.once": ("PRINCIPAL",),
        "keyfob.resource.replays": ("Replays",),
        "keyfob.resource.require": ("Denial", "Requirement", "require"),
        "keyfob.resource.verify": ("KeyNeeded", "Principal", "choose_policy", "verify"),
    }
    __getattr__, __dir__ = shows(__name__, _LAZY)
    # A guard that is made needs these: cryptography takes 30 ms.
    _build = LazyModule("keyfob.resource.io.build")
    _require = LazyModule("keyfob.resource.require")
    # Each imports its framework.
    _asgi = LazyModule("keyfob.resource.frameworks.asgi")
    _django = LazyModule("keyfob.resource.frameworks.django")
    _fastapi = LazyModule("keyfob.resource.frameworks.fastapi")
    _flask = LazyModule("keyfob.resource.frameworks.flask")
    _rest_framework = LazyModule("keyfob.resource.frameworks.rest_framework")
    _starlette = LazyModule("keyfob.resource.frameworks.starlette")
    _wsgi = LazyModule("keyfob.resource.frameworks.wsgi")
    __all__ = [name for names in (("Guard", "Policy"), *_LAZY.values()) for name in names]

_View = Callable[..., Any]


class Guard:
    """Validates the access tokens of one issuer or several, for one API."""

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
        dpop: DpopSettings | None = None,
        certificates: CertificateHeader | None = None,
        introspection: Introspection | None = None,
        remember: int = 0,
        realm: str = "api",
        send: Sender | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Configure the guard; nothing is fetched yet.

        Args:
            policies: One policy for each issuer, in place of the arguments from `issuer` to `leeway`.
            issuer: The issuer identifier exactly as in the issuer's metadata, with or without a trailing slash.
            audience: This API's identifier.
            algorithms: The accepted algorithms.
            profile: "rfc9068" requires the token profile of RFC 9068; "auth0" accepts RFC 9068 and Auth0's own profile.
            leeway: The accepted difference between clocks.
            address: The URL at which callers reach this API, such as `https://api.example.com/v1`, in front of any
                proxy. If set, the guard publishes metadata, and accepts tokens that are bound to a DPoP key.
            metadata: The API's metadata, if it should have more members than the guard writes. Its `resource` takes the
                place of `address`.
            dpop: The settings for DPoP-bound tokens; requires `address`.
            certificates: The header in which a trusted proxy sends client certificates.
            introspection: The settings for introspection of opaque tokens (RFC 7662). None refuses opaque tokens.
            remember: The number of verified tokens to cache, each at most until the token or its key expires; 0 caches
                no token.
            realm: The `realm` of the WWW-Authenticate challenges.
            send: Sends HTTP requests to the issuers.
            clock: Returns the present time as an aware `datetime` in UTC; tests may set it.

        Raises:
            Misuse: The settings contradict each other, or a setting is unsafe.
        """
        if bool(policies) == bool(issuer or audience):
            raise Misuse("a guard needs an issuer and an audience, or policies")
        trusted = policies or (Policy(issuer, audience, algorithms, profile, leeway),)
        self._requirements_of = _require.requirements_of  # once: it is called with each request
        self._verifier, self._published = _build.build(
            trusted,
            address=address,
            metadata=metadata,
            dpop=dpop,
            certificates=certificates,
            introspection=introspection,
            remember=remember,
            realm=realm,
            send=send,
            clock=clock,
        )
        self._issuers = tuple(policy.issuer for policy in trusted)
        self._realm = realm

    def check(
        self, request: Request, *needs: str | Requirement, certificate: bytes | None = None
    ) -> Principal | Denial:
        """Return the caller as a `Principal`, or a `Denial` to send. Block while the issuer's keys are fetched.

        Args:
            request: The request, whose method, path and headers are read, but never the body. The peer's address is
                read only if `certificates` lists trusted proxies.
            needs: Names of scopes, or results of `require`; all are required.
            certificate: The caller's TLS certificate in DER, if this server terminated TLS; else None.
        """
        return self._verifier.check(request, self._requirements_of(needs), certificate)

    async def check_async(
        self, request: Request, *needs: str | Requirement, certificate: bytes | None = None
    ) -> Principal | Denial:
        """Check a request as `check` does, without blocking the event loop."""
        return await self._verifier.check_async(request, self._requirements_of(needs), certificate)

    def metadata(self, request: Request) -> Response | None:
        """Return this API's metadata if the request is for the metadata's address (RFC 9728 §3.1), else None."""
        return None if self._published is None else self._published.answer(request)

    def asgi(self, app: App, *needs: str | Requirement) -> App:
        """Return the ASGI application behind this guard, which stores the caller in `scope["keyfob.principal"]`."""
        return _asgi.guarded(app, self._verifier, self._requirements_of(needs), self._published)

    def requires(self, *needs: str | Requirement) -> Callable[[HTTPConnection], Awaitable[Principal]]:
        """Return a FastAPI dependency. In Starlette, call `await guard.requires("read:orders")(request)`.

        FastAPI lists the dependency in its OpenAPI document. WebSocket endpoints can use the dependency too. FastAPI
        and Starlette send denials in their own formats, unless `Guard.answers` was called.
        """
        wanted = self._requirements_of(needs)
        # A program that calls `Depends` has loaded FastAPI; a Starlette application need not load it.
        if "fastapi" in sys.modules:
            return _fastapi.requires(self._verifier, wanted, self._issuers, self._realm)
        return _starlette.requires(self._verifier, wanted)

    def answers(self, app: Starlette) -> None:
        """Make a FastAPI or Starlette app serve the API's metadata, and send denials as JSON like the ASGI guard."""
        _starlette.answer_denials(app)
        if self._published is not None:
            _starlette.serve_metadata(app, self._published)

    def wsgi(self, app: WSGIApplication, *needs: str | Requirement) -> WSGIApplication:
        """Return the WSGI application behind this guard, which stores the caller in `environ["keyfob.principal"]`."""
        return _wsgi.guarded(app, self._verifier, self._requirements_of(needs), self._published)

    def flask(self, *needs: str | Requirement) -> Callable[[_View], _View]:
        """Return a decorator for Flask views, to be used below `@app.route`. It stores the caller in `g.principal`."""
        return _flask.requires(self._verifier, self._requirements_of(needs))

    def flask_metadata(self, app: Flask) -> None:
        """Make a Flask application serve this API's metadata.

        Raises:
            Misuse: The guard has no address.
        """
        _flask.serve_metadata(app, self._address())

    def django(self, *needs: str | Requirement) -> Callable[[_View], _View]:
        """Return a decorator for Django views. It stores the caller in `request.principal`."""
        return _django.requires(self._verifier, self._requirements_of(needs))

    def django_middleware(self, *needs: str | Requirement) -> Callable[[_View], _View]:
        """Return a Django middleware that guards every view. Assign it to a name that `MIDDLEWARE` lists."""
        return _django.middleware(self._verifier, self._requirements_of(needs), self._published)

    def django_metadata(self) -> URLPattern:
        """Return the URL pattern of this API's metadata, for the `urlpatterns` of a Django site.

        Raises:
            Misuse: The guard has no address.
        """
        return _django.metadata(self._address())

    def drf_authentication(self) -> type[BaseAuthentication]:
        """Return an authentication class for Django REST framework. It stores the caller in `request.auth`."""
        return _rest_framework.authentication(self._verifier)

    def drf_permission(self, *needs: str | Requirement) -> type[BasePermission]:
        """Return a permission class for Django REST framework that requires `needs`."""
        return _rest_framework.permission(self._verifier, self._requirements_of(needs))

    def _address(self) -> Published:
        if self._published is None:
            raise Misuse("a guard has metadata only if it has an address")
        return self._published

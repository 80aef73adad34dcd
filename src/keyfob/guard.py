"""Door: an API that checks tokens.

    from keyfob.guard import Guard

    guard = Guard(issuer="https://login.example.com/", audience="https://api.example.com")
    app = guard.asgi(app, "read:orders")               # any ASGI application
    Depends(guard.requires("read:orders"))             # FastAPI

Verification is offline: the issuer's keys are fetched at the first token, kept, and fetched again when they age or
when a token names an unknown key, at most once in 30 s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.jose.algorithms import Algorithm
from keyfob.protocol.claims import Profile
from keyfob.protocol.http import Request, Response
from keyfob.protocol.scope import Scope
from keyfob.resource.io.asgi import PRINCIPAL, App, guarded
from keyfob.resource.io.guard import Clock, Judge, wall_clock
from keyfob.resource.io.keys import IssuerKeys, Sender
from keyfob.resource.policy import DEFAULT_LEEWAY, Policy
from keyfob.resource.require import Denial
from keyfob.resource.verify import KeyNeeded, Principal, verify

if TYPE_CHECKING:
    from starlette.requests import Request as StarletteRequest

__all__ = ["PRINCIPAL", "Denial", "Guard", "KeyNeeded", "Policy", "Principal", "verify"]


class Guard:
    """Checks the tokens of one issuer for one API."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        algorithms: tuple[Algorithm, ...] = ("RS256",),
        profile: Profile = "auth0",
        leeway: timedelta = DEFAULT_LEEWAY,
        realm: str = "api",
        send: Sender | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Know whom to trust; nothing is fetched yet.

        Args:
            issuer: As its metadata writes it; a trailing slash counts.
            audience: This API's identifier.
            algorithms: The only ones accepted.
            profile: "rfc9068" insists on that profile; "auth0" takes either.
            leeway: How far clocks may differ.
            realm: Named in challenges.
            send: Who fetches the keys; ordinary HTTP by default.
            clock: What the time is; for tests.

        Raises:
            Misuse: A value could never be right.
        """
        policy = Policy(issuer, audience, algorithms, profile, leeway)
        self._judge = Judge(policy, IssuerKeys(issuer, send or _send_over_network), realm=realm, clock=clock)

    def check(self, request: Request, *scopes: str) -> Principal | Denial:
        """Judge a request: who calls, or the answer to give. Blocks when keys are due."""
        return self._judge.check(request, Scope.of(scopes))

    async def check_async(self, request: Request, *scopes: str) -> Principal | Denial:
        """As `check`, without blocking the event loop."""
        return await self._judge.check_async(request, Scope.of(scopes))

    def asgi(self, app: App, *scopes: str) -> App:
        """An ASGI application behind this guard; `scope["keyfob.principal"]` says who calls."""
        return guarded(app, self._judge, Scope.of(scopes))

    def requires(self, *scopes: str) -> Callable[[StarletteRequest], Awaitable[Principal]]:
        """A FastAPI dependency; in Starlette, `await guard.requires("read:orders")(request)`."""
        from keyfob.resource.io.starlette import requires  # noqa: PLC0415  Starlette is not ours to require

        return requires(self._judge, Scope.of(scopes))


def _send_over_network(request: Request) -> Response:
    from keyfob.io.http import send  # noqa: PLC0415  httpx2 costs 70 ms

    return send(request)

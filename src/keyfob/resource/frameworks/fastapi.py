"""A dependency for FastAPI that shows in its OpenAPI, with the scopes that it asks for."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Security
from fastapi.openapi.models import HTTPBearer, OpenIdConnect
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from keyfob.protocol.scope import Scope
from keyfob.resource.frameworks.starlette import check
from keyfob.resource.judge import Judge
from keyfob.resource.once import Needs
from keyfob.resource.verify import Principal

# FastAPI resolves the annotations of what it injects, so they are real here, not postponed.


@dataclass(frozen=True, slots=True)
class Shown:
    """What OpenAPI is told of a guard."""

    issuers: tuple[str, ...]
    realm: str


class Scheme(SecurityBase):
    """A guard in OpenAPI, under the name of its realm: whose tokens, or any bearer's if there are several issuers.

    It checks nothing itself.
    """

    def __init__(self, shown: Shown) -> None:
        at = f"{shown.issuers[0].removesuffix('/')}/.well-known/openid-configuration"
        is_one = len(shown.issuers) == 1
        self.model = OpenIdConnect(openIdConnectUrl=at) if is_one else HTTPBearer(bearerFormat="JWT")
        # What may stand in the name of a component (OpenAPI 3.1 §4.8.7.2).
        self.scheme_name = re.sub(r"[^A-Za-z0-9._-]", "_", shown.realm)

    async def __call__(self) -> None:
        """Nothing: the dependency that names this scheme checks."""


def requires(judge: Judge, needs: Needs, shown: Shown) -> Callable[[HTTPConnection], Awaitable[Principal]]:
    """A dependency; in a Starlette endpoint it is called with the request alone."""
    scopes = Scope.of(name for need in needs for name in need.named().names)
    scheme = Security(Scheme(shown), scopes=scopes.write().split())

    async def principal(connection: HTTPConnection, _scheme: None = scheme) -> Principal:
        return await check(judge, needs, connection)

    return principal

"""Guard the endpoints of FastAPI by a dependency. The OpenAPI document shows the guard and the required scopes."""

import re
from collections.abc import Awaitable, Callable

from fastapi import Security
from fastapi.openapi.models import HTTPBearer, OpenIdConnect
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from keyfob.protocol.scope import Scope
from keyfob.resource.frameworks.starlette import check
from keyfob.resource.judge import Verifier
from keyfob.resource.once import Needs
from keyfob.resource.verify import Principal

# FastAPI resolves the annotations of dependencies at run time, so this module does not postpone them.


class Scheme(SecurityBase):
    """The security scheme of a guard in the OpenAPI document, named after the realm.

    With one issuer, the scheme is OpenID Connect; with several issuers, it is bearer authentication.

    The scheme only documents the guard and checks nothing.
    """

    def __init__(self, issuers: tuple[str, ...], realm: str) -> None:
        at = f"{issuers[0].removesuffix('/')}/.well-known/openid-configuration"
        is_one = len(issuers) == 1
        self.model = OpenIdConnect(openIdConnectUrl=at) if is_one else HTTPBearer(bearerFormat="JWT")
        # The characters allowed in the name of a component (OpenAPI 3.1 §4.8.7.2).
        self.scheme_name = re.sub(r"[^A-Za-z0-9._-]", "_", realm)

    async def __call__(self) -> None:
        """Do nothing, since the dependency checks the token."""


def requires(
    verifier: Verifier, needs: Needs, issuers: tuple[str, ...], realm: str
) -> Callable[[HTTPConnection], Awaitable[Principal]]:
    """Return a FastAPI dependency that checks the token of a request and returns the caller.

    A Starlette endpoint can call the dependency directly, with the request as its only argument.
    """
    scopes = Scope.of(name for need in needs for name in need.named().names)
    scheme = Security(Scheme(issuers, realm), scopes=scopes.write().split())

    async def principal(connection: HTTPConnection, _scheme: None = scheme) -> Principal:
        return await check(verifier, needs, connection)

    return principal

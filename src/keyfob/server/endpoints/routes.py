"""Which address is answered by what. Unknown ones get JSON, as programs expect (RFC 9110 §15.5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from keyfob.protocol.http import Request, Response
from keyfob.server.endpoints import activate, login
from keyfob.server.endpoints.device_code import device_code
from keyfob.server.endpoints.metadata import health, jwks, metadata
from keyfob.server.endpoints.revoke import revoke
from keyfob.server.endpoints.token import token
from keyfob.server.endpoints.userinfo import userinfo
from keyfob.server.site import Site
from keyfob.server.wire import answer

Endpoint = Callable[[Site, Request], Awaitable[Response]]

ROUTES: Final[dict[str, dict[str, Endpoint]]] = {
    "/.well-known/openid-configuration": {"GET": metadata},
    "/.well-known/oauth-authorization-server": {"GET": metadata},
    "/.well-known/jwks.json": {"GET": jwks},
    "/oauth/device/code": {"POST": device_code},
    "/oauth/token": {"POST": token},
    "/oauth/revoke": {"POST": revoke},
    "/userinfo": {"GET": userinfo, "POST": userinfo},
    "/activate": {"GET": activate.show, "POST": activate.act},
    "/activate/done": {"GET": activate.done},
    "/u/login": {"GET": login.show, "POST": login.act},
    "/healthz": {"GET": health},
}


async def handle(site: Site, request: Request) -> Response:
    """One request, answered. A HEAD is a GET without its body."""
    methods = ROUTES.get(request.path)
    if methods is None:
        return site.refuse("not_found")
    endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
    if endpoint is None:
        allowed = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
        return answer(site.config.wire, "method_not_allowed", headers=(("allow", allowed),))
    return await endpoint(site, request)

"""What goes with every answer: a request id, how many requests are left, whose scripts may read it (Auth0, CORS)."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from keyfob.protocol.http import JSON, Headers, Request, Response
from keyfob.server.decide.throttle import network_of, refill, spend, time_until_try
from keyfob.server.site import Site
from keyfob.server.wire import answer

_JSON: Final[Headers] = (("content-type", JSON),)
_JSON_UTF8: Final[Headers] = (("content-type", f"{JSON}; charset=utf-8"),)
_SPAN: Final = timedelta(minutes=1)
_ID_BYTES: Final = 10
_ALLOWED: Final = "authorization, content-type, dpop, auth0-client"
_EXPOSED: Final = (
    "dpop-nonce, retry-after, www-authenticate, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset"
)


@dataclass(frozen=True, slots=True)
class Manners:
    """How an endpoint treats strangers.

    Attributes:
        cors: Whose pages may call it by script: nobody's, those registered as web origins, anybody's.
        is_limited: Whether one address may only call it so often.
        names_charset: Whether its JSON says `charset=utf-8` under `auth0`, as some of Auth0's endpoints do.
    """

    cors: Literal["nobody", "registered", "anybody"] = "nobody"
    is_limited: bool = False
    names_charset: bool = False


async def with_manners(
    site: Site, request: Request, manners: Manners, path: str, endpoint: Callable[[Site, Request], Awaitable[Response]]
) -> Response:
    """An endpoint's answer, with all that goes with it."""
    origin = _origin(site, request, manners)
    name = "x-auth0-requestid" if site.config.wire == "auth0" else "x-request-id"
    headers: Headers = ((name, site.surroundings.random(_ID_BYTES).hex()), *origin)
    if request.method == "OPTIONS" and origin:
        methods = (request.header("access-control-request-method") or "").upper()
        asked = (("access-control-allow-methods", methods if methods.isalpha() else "GET, POST"),)
        more = (("access-control-allow-headers", _ALLOWED), ("access-control-max-age", "600"))
        return Response(204, headers + asked + more)
    if manners.is_limited:
        wait, told = _spend(site, request, path)
        headers += told
        if wait:
            return answer(
                site.config.wire, "too_many", headers=(*headers, ("retry-after", str(math.ceil(wait.total_seconds()))))
            )
    response = await endpoint(site, request)
    own = response.headers
    if manners.names_charset and site.config.wire == "auth0" and own[:1] == _JSON:
        own = (*_JSON_UTF8, *own[1:])
    return Response(response.status, own + headers, response.body)


def _origin(site: Site, request: Request, manners: Manners) -> Headers:
    origin = request.header("origin")
    if manners.cors == "anybody":
        return (("access-control-allow-origin", "*"),)
    if manners.cors == "nobody" or origin is None:
        return ()
    if not any(origin in application.web_origins for application in site.config.applications):
        return (("vary", "origin"),) if request.method != "OPTIONS" else ()
    return (
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", _EXPOSED),
        ("vary", "origin"),
    )


def _spend(site: Site, request: Request, path: str) -> tuple[timedelta, Headers]:
    """One request less for this address; how long it must wait, and what it is told."""
    size, who, now = site.config.requests_per_minute, (path, network_of(request.peer)), site.now()
    bucket = refill(site.calls.get(who), size, _SPAN, now)
    wait = time_until_try(bucket, size, _SPAN)
    left = bucket if wait else spend(bucket)
    site.calls.put(who, left)
    full_at = now.timestamp() + (size - left.left) * _SPAN.total_seconds() / size
    return wait, (
        ("x-ratelimit-limit", str(size)),
        ("x-ratelimit-remaining", str(int(left.left))),
        ("x-ratelimit-reset", str(math.ceil(full_at))),
    )

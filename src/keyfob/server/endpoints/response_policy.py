"""The headers of every response: request id, rate limit, CORS (Auth0)."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from keyfob.protocol.http import JSON, Headers, Request, Response
from keyfob.server.decide.limits import FORMS_PER_MINUTE
from keyfob.server.decide.throttle import count_request, network_of
from keyfob.server.endpoints.pages.browser import language_of, page_headers, page_words
from keyfob.server.site import Site
from keyfob.server.wire import answer, retry_after

_JSON: Final[Headers] = (("content-type", JSON),)
_JSON_UTF8: Final[Headers] = (("content-type", f"{JSON}; charset=utf-8"),)
_SPAN: Final = timedelta(minutes=1)
_SECOND_NS: Final = 1_000_000_000
_ID_BYTES: Final = 10
_ALLOWED: Final = "authorization, content-type, dpop, auth0-client, mcp-protocol-version"
_EXPOSED: Final = (
    "dpop-nonce, retry-after, www-authenticate, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset"
)


@dataclass(frozen=True, slots=True)
class ResponsePolicy:
    """The response policy of an endpoint.

    Attributes:
        cors: The allowed origins; `registered` are the clients' web origins.
        is_limited: Whether the requests of one network are limited.
        one_in: The divisor of the usual rate limit, for an endpoint that stores data from each request.
        limits_forms: Whether the number of forms that one network sends is limited. A form above the limit gets an
            error page.
        names_charset: Whether the media type of JSON has `charset=utf-8` with `wire = "auth0"`, as at some of Auth0's
            endpoints.
    """

    cors: Literal["none", "registered", "any"] = "none"
    is_limited: bool = False
    one_in: int = 1
    limits_forms: bool = False
    names_charset: bool = False


async def apply_policy(
    site: Site,
    request: Request,
    policy: ResponsePolicy,
    path: str,
    endpoint: Callable[[Site, Request], Awaitable[Response]],
) -> Response:
    """Call the endpoint, and add the headers that the policy requires to its response.

    The endpoint is not called for a CORS preflight request, nor for a request above a rate limit (status 429).
    """
    origin = _origin(site, request, policy)
    name = "x-auth0-requestid" if site.config.wire == "auth0" else "x-request-id"
    request = named(request, site.random(_ID_BYTES).hex())
    headers: Headers = ((name, request.request_id), *origin)
    if request.method == "OPTIONS" and origin:
        methods = (request.header("access-control-request-method") or "").upper()
        asked = (("access-control-allow-methods", methods if methods.isalpha() else "GET, POST"),)
        more = (("access-control-allow-headers", _ALLOWED), ("access-control-max-age", "600"))
        return Response(204, headers + asked + more)
    if policy.is_limited:
        wait, limits = _spend(site, request, path, max(1, site.config.requests_per_minute // policy.one_in))
        headers += limits
        if wait:
            site.limited("requests", request)
            return answer(
                site.config.wire, "too_many", headers=(*headers, ("retry-after", str(math.ceil(wait.total_seconds()))))
            )
    if policy.limits_forms and request.method == "POST":
        wait, _ = _spend(site, request, path, FORMS_PER_MINUTE)
        if wait:
            site.limited("forms", request)
            return _too_many_forms(site, request, wait, headers)
    response = await endpoint(site, request)
    own = response.headers
    if policy.names_charset and site.config.wire == "auth0" and own[:1] == _JSON:
        own = (*_JSON_UTF8, *own[1:])
    return Response(response.status, own + headers, response.body)


def named(request: Request, request_id: str) -> Request:
    """Return the request with a request id. `dataclasses.replace` would take four times as long."""
    return Request(
        request.method, request.url, request.headers, request.body, request.peer, request.certificate, request_id
    )


def _origin(site: Site, request: Request, policy: ResponsePolicy) -> Headers:
    origin = request.header("origin")
    if policy.cors == "any":
        return (("access-control-allow-origin", "*"),)
    if policy.cors == "none" or origin is None:
        return ()
    if origin not in site.config.web_origins:
        return (("vary", "origin"),) if request.method != "OPTIONS" else ()
    return (
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", _EXPOSED),
        ("vary", "origin"),
    )


def _too_many_forms(site: Site, request: Request, wait: timedelta, headers: Headers) -> Response:
    words = {**page_words(site, language_of(request), request.request_id), "problem": "too_many_forms", "detail": ""}
    headers = (*page_headers(), *headers, *retry_after(wait))
    return Response(429, headers, site.render("problem.html", words))


def _spend(site: Site, request: Request, path: str, size: int) -> tuple[timedelta, Headers]:
    """Count one request of this network. Return the time that the network must wait, and the rate limit headers.

    The time is zero if the request is allowed.
    """
    key = (path, network_of(request.peer))
    counted = count_request(site.endpoint_requests.get(key) or 0, size, _SPAN, site.now())
    site.endpoint_requests.put(key, counted.full_at)
    return counted.wait, (
        ("x-ratelimit-limit", str(size)),
        ("x-ratelimit-remaining", str(counted.left)),
        ("x-ratelimit-reset", str(-(-counted.full_at // _SECOND_NS))),
    )

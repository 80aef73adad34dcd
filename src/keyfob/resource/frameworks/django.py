"""A decorator for Django's views and a middleware, blocking and async; who calls is `request.principal`."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import wraps
from typing import Any, cast
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.decorators import sync_and_async_middleware

from keyfob.protocol.http import Request, Response
from keyfob.resource.frameworks import asgi, wsgi
from keyfob.resource.judge import Judge
from keyfob.resource.once import Needs, check_once, check_once_async
from keyfob.resource.published import Published
from keyfob.resource.require import Denial
from keyfob.resource.verify import Principal

View = Callable[..., Any]
GetResponse = Callable[[HttpRequest], Any]


def requires(judge: Judge, needs: Needs) -> Callable[[View], View]:
    """A decorator for a view; with `method_decorator`, for the methods of a class."""

    def decorated(view: View) -> View:
        guard = _guarded(judge, needs, view, None)
        # A browser sends cookies by itself, and never a token: what only a token opens cannot be forged across sites.
        cast("Any", guard).csrf_exempt = True
        return guard

    return decorated


def middleware(judge: Judge, needs: Needs, published: Published | None) -> Callable[[GetResponse], GetResponse]:
    """A middleware that guards every view; where the API has an address, it serves its metadata, to everybody."""

    @sync_and_async_middleware
    def made(get_response: GetResponse) -> GetResponse:
        return _guarded(judge, needs, get_response, published)

    return made


def metadata(published: Published) -> URLPattern:
    """Where a site serves the API's metadata, to everybody (RFC 9728 §3)."""

    def view(request: HttpRequest) -> HttpResponseBase:
        answer = published.answer(_read(request)[0])
        return HttpResponse(status=404) if answer is None else _written(answer)

    return path(urlsplit(published.url).path.removeprefix("/"), view)


def check(judge: Judge, needs: Needs, request: HttpRequest) -> Principal | Denial:
    """Who calls, or the answer to give; may block on the network."""
    read, kept, certificate = _read(request)
    return check_once(judge, read, needs, kept, certificate)


def _read(request: HttpRequest) -> tuple[Request, MutableMapping[str, Any], bytes | None]:
    """A request as its server told Django of it, what lives as long, and the caller's certificate."""
    if isinstance(request, ASGIRequest):
        scope = cast("MutableMapping[str, Any]", request.scope)
        return asgi.request_of(scope), scope, asgi.certificate_of(scope)
    return wsgi.request_of(request.META), request.META, wsgi.certificate_of(request.META)


def _guarded(judge: Judge, needs: Needs, view: View, published: Published | None) -> View:
    @wraps(view)
    def plain(request: HttpRequest, *args: object, **named: object) -> HttpResponseBase:
        read, kept, certificate = _read(request)
        answer = None if published is None else published.answer(read)
        if answer is not None:
            return _written(answer)
        found = check_once(judge, read, needs, kept, certificate)
        return _denied(request, found) or view(request, *args, **named)

    @wraps(view)
    async def awaited(request: HttpRequest, *args: object, **named: object) -> HttpResponseBase:
        read, kept, certificate = _read(request)
        answer = None if published is None else published.answer(read)
        if answer is not None:
            return _written(answer)
        found = await check_once_async(judge, read, needs, kept, certificate)
        return _denied(request, found) or await view(request, *args, **named)

    return awaited if _is_async(view) else plain


def _is_async(view: View) -> bool:
    # Django marks what only looks blocking, and on Python 3.11 nothing else sees its marks. `dispatch` is not marked:
    # under `method_decorator` it is asked whose it is.
    own = getattr(getattr(view, "func", None), "__self__", None)
    return iscoroutinefunction(view) or getattr(own, "view_is_async", False) is True  # pyright: ignore[reportDeprecated]


def _denied(request: HttpRequest, found: Principal | Denial) -> HttpResponse | None:
    if isinstance(found, Principal):
        cast("Any", request).principal = found
        return None
    return _written(found.response())


def _written(response: Response) -> HttpResponse:
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))

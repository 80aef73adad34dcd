"""Guard blocking and async Django views by a decorator or a middleware. The caller is in `request.principal`."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import wraps
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.decorators import sync_and_async_middleware

from keyfob.protocol.http import Request, Response
from keyfob.resource.frameworks import asgi, wsgi
from keyfob.resource.judge import Verifier
from keyfob.resource.once import Needs, check_once, check_once_async
from keyfob.resource.published import Published
from keyfob.resource.require import Denial
from keyfob.resource.verify import Principal

View = Callable[..., Any]
GetResponse = Callable[[HttpRequest], Any]


def requires(verifier: Verifier, needs: Needs) -> Callable[[View], View]:
    """Return a decorator for a view function. For a class-based view, use Django's `method_decorator`."""

    def decorated(view: View) -> View:
        guard = _guarded(verifier, needs, view, None)
        # A browser sends cookies by itself, but never a token: a request with a token cannot be forged by another site.
        cast("Any", guard).csrf_exempt = True
        return guard

    return decorated


def middleware(verifier: Verifier, needs: Needs, published: Published | None) -> Callable[[GetResponse], GetResponse]:
    """Return a middleware that guards all views.

    If the guard has an address, the middleware also serves the API's metadata (RFC 9728 §3) to requests without a
    token.
    """

    @sync_and_async_middleware
    def made(get_response: GetResponse) -> GetResponse:
        return _guarded(verifier, needs, get_response, published)

    return made


def metadata(published: Published) -> URLPattern:
    """Return the URL pattern that serves the API's metadata to requests without a token (RFC 9728 §3)."""

    def view(request: HttpRequest) -> HttpResponseBase:
        answer = published.answer(_read(request)[0])
        return HttpResponse(status=404) if answer is None else _to_django(answer)

    return path(published.path.removeprefix("/"), view)


def check(verifier: Verifier, needs: Needs, request: HttpRequest) -> Principal | Denial:
    """Return the caller, or the denial to send. The call may block."""
    read, state, certificate = _read(request)
    return check_once(verifier, read, needs, state, certificate)


def _read(request: HttpRequest) -> tuple[Request, MutableMapping[str, Any], bytes | None]:
    """Return the converted request, a mapping that is stored with the request, and the caller's certificate."""
    if isinstance(request, ASGIRequest):
        scope = cast("MutableMapping[str, Any]", request.scope)
        return asgi.request_of(scope), scope, asgi.certificate_of(scope)
    return wsgi.request_of(request.META), request.META, wsgi.certificate_of(request.META)


def _guarded(verifier: Verifier, needs: Needs, view: View, published: Published | None) -> View:
    @wraps(view)
    def plain(request: HttpRequest, *args: object, **named: object) -> HttpResponseBase:
        read, state, certificate = _read(request)
        answer = None if published is None else published.answer(read)
        if answer is not None:
            return _to_django(answer)
        found = check_once(verifier, read, needs, state, certificate)
        return _denied(request, found) or view(request, *args, **named)

    @wraps(view)
    async def awaited(request: HttpRequest, *args: object, **named: object) -> HttpResponseBase:
        read, state, certificate = _read(request)
        answer = None if published is None else published.answer(read)
        if answer is not None:
            return _to_django(answer)
        found = await check_once_async(verifier, read, needs, state, certificate)
        return _denied(request, found) or await view(request, *args, **named)

    return awaited if _is_async(view) else plain


def _is_async(view: View) -> bool:
    # Django marks wrappers of async views, and on Python 3.11 only asgiref sees the marks. `dispatch` of a class-based
    # view is not marked: under `method_decorator`, its class is looked at.
    own = getattr(getattr(view, "func", None), "__self__", None)
    return iscoroutinefunction(view) or getattr(own, "view_is_async", False) is True  # pyright: ignore[reportDeprecated]


def _denied(request: HttpRequest, found: Principal | Denial) -> HttpResponse | None:
    if isinstance(found, Principal):
        cast("Any", request).principal = found
        return None
    return _to_django(found.response())


def _to_django(response: Response) -> HttpResponse:
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))

"""One small API behind a guard, once for each framework, and two servers that have none of a socket."""

import asyncio
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import URLPattern, path
from fastapi import Depends, FastAPI
from flask import Flask, g
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from keyfob.guard import PRINCIPAL, Guard, Principal
from keyfob.jose.keys import SigningKey, thumbprint
from keyfob.jose.proofs import write_proof
from keyfob.protocol.dpop import Proof, hash_of
from keyfob.protocol.http import Request, Response, json_response
from keyfob.testing.flawed_tokens import TokenMaker

HOST = "orders.example"
ADDRESS = f"https://{HOST}"
SCOPE = "read:orders"
# No postponed annotations here: FastAPI could not see a guard that is an argument.
Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What came back; headers in lower case."""

    status: int
    headers: Headers
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def json(self) -> object:
        return json.loads(self.body)


def issuer_of(mint: TokenMaker) -> Callable[[Request], Response]:
    """The mint's issuer, as a guard asks it."""

    def send(request: Request) -> Response:
        if request.path == "/jwks.json":
            return json_response(200, {"keys": [mint.key.public_jwk()]})
        where = {"token_endpoint": f"{mint.issuer}token", "jwks_uri": f"{mint.issuer}jwks.json"}
        return json_response(200, {"issuer": mint.issuer, **where})

    return send


KEY = SigningKey.generate("ES256")


def proven(
    mint: TokenMaker, method: str = "GET", number: str = "one", *, address: str = f"{ADDRESS}/orders"
) -> Headers:
    """A token that is bound to a key, and a proof of that key for one call (RFC 9449 §7.1)."""
    public = {name: value for name, value in KEY.public_jwk().items() if name in {"kty", "crv", "x", "y"}}
    token = mint.saying({"cnf": {"jkt": thumbprint(public)}})
    proof = write_proof(Proof(number, method, address, mint.now, hash_of(token)), KEY)
    return [("authorization", f"DPoP {token.reveal()}"), ("dpop", proof.reveal())]


Call = Callable[..., Answer]
App = Callable[..., Any]


def over_asgi(app: App) -> Call:
    """A server for ASGI, as far as these tests go."""

    def call(target: str, headers: Headers, method: str = "GET") -> Answer:
        raw, _, query = target.partition("?")
        scope: dict[str, object] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote_to_bytes(raw).decode(),
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in [("host", HOST), *headers]],
            "client": ("192.0.2.1", 4711),
            "server": ("127.0.0.1", 8000),
        }
        return asyncio.run(_conversation(app, scope))

    return call


async def _conversation(app: App, scope: dict[str, object]) -> Answer:
    sent: list[dict[str, Any]] = []
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, object]:
        for message in asked:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in sent[0]["headers"]]
    return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


def over_wsgi(app: App) -> Call:
    """A server for WSGI that joins what comes twice, as wsgiref, gunicorn and Werkzeug do."""

    def call(target: str, headers: Headers, method: str = "GET") -> Answer:
        raw, _, query = target.partition("?")
        started: list[tuple[str, Headers]] = []
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(raw).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in [("host", HOST), *headers]:
            key = f"HTTP_{name.upper().replace('-', '_')}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        parts: Iterable[bytes] = app(environ, lambda *first: started.append(first[:2]))
        body = b"".join(parts)
        getattr(parts, "close", lambda: None)()
        status, found = started[0]
        return Answer(int(status.split()[0]), [(name.lower(), value) for name, value in found], body)

    return call


def said(principal: Principal) -> dict[str, str]:
    """What the API says to those who may pass."""
    return {"sub": principal.subject, "client": principal.client_id}


def asgi(guard: Guard) -> Call:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse(said(scope[PRINCIPAL]))(scope, receive, send)

    return over_asgi(guard.asgi(app, SCOPE))


def wsgi(guard: Guard) -> Call:
    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(said(environ[PRINCIPAL])).encode()]

    return over_wsgi(guard.wsgi(app, SCOPE))


def starlette(guard: Guard) -> Call:
    async def orders(request: StarletteRequest) -> JSONResponse:
        return JSONResponse(said(await guard.requires(SCOPE)(request)))

    app = Starlette(routes=[Route("/orders", orders)])
    guard.answers(app)
    return over_asgi(app)


def fastapi(guard: Guard) -> Call:
    app = FastAPI()
    guard.answers(app)

    @app.get("/orders")
    async def orders(principal: Annotated[Principal, Depends(guard.requires(SCOPE))]) -> dict[str, str]:
        return said(principal)

    return over_asgi(app)


def fastapi_blocking(guard: Guard) -> Call:
    app = FastAPI()
    guard.answers(app)

    @app.get("/orders")
    def orders(principal: Annotated[Principal, Depends(guard.requires(SCOPE))]) -> dict[str, str]:
        return said(principal)

    return over_asgi(app)


def flask(guard: Guard) -> Call:
    app = Flask(__name__)

    @app.get("/orders")
    @guard.flask(SCOPE)
    def orders() -> dict[str, str]:
        return said(g.principal)

    return over_wsgi(app)


def flask_async(guard: Guard) -> Call:
    app = Flask(__name__)

    @app.get("/orders")
    @guard.flask(SCOPE)
    async def orders() -> dict[str, str]:
        return said(g.principal)

    return over_wsgi(app)


def set_up_django() -> None:
    """Once in a process."""
    if settings.configured:
        return
    settings.configure(
        ALLOWED_HOSTS=[HOST],
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
        SECRET_KEY="only for tests",
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
        USE_TZ=True,
    )
    django.setup()


def django_site(
    server: Callable[[App], Call],
    handler: Callable[[], App],
    view: App,
    *middleware: str,
    more: tuple[URLPattern, ...] = (),
) -> Call:
    """A site of one view, and more if need be."""
    set_up_django()
    told = {"ROOT_URLCONF": (path("orders", view), *more)}
    if middleware:
        told["MIDDLEWARE"] = list(middleware)  # type: ignore[assignment]
    with override_settings(**told):
        serve = server(handler())

    def call(target: str, headers: Headers, method: str = "GET") -> Answer:
        with override_settings(**told):
            return serve(target, headers, method)

    return call


def plain_view(request: HttpRequest) -> JsonResponse:
    return JsonResponse(said(request.principal))  # type: ignore[attr-defined]


async def async_view(request: HttpRequest) -> JsonResponse:
    return JsonResponse(said(request.principal))  # type: ignore[attr-defined]


def django_plain(guard: Guard) -> Call:
    return django_site(over_wsgi, WSGIHandler, guard.django(SCOPE)(plain_view))


def django_async(guard: Guard) -> Call:
    return django_site(over_asgi, ASGIHandler, guard.django(SCOPE)(async_view))


# MIDDLEWARE takes nothing but names.
made: dict[str, Guard] = {}


def middleware(get_response: App) -> App:
    return made["guard"].django_middleware(SCOPE)(get_response)


middleware.sync_capable = middleware.async_capable = True  # type: ignore[attr-defined]


def django_middleware(guard: Guard) -> Call:
    made["guard"] = guard
    return django_site(over_wsgi, WSGIHandler, plain_view, f"{__name__}.middleware")


def django_middleware_async(guard: Guard) -> Call:
    made["guard"] = guard
    return django_site(over_asgi, ASGIHandler, async_view, f"{__name__}.middleware")


def rest_framework(guard: Guard) -> Call:
    set_up_django()
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Orders(APIView):
        authentication_classes = (guard.drf_authentication(),)
        permission_classes = (guard.drf_permission(SCOPE),)

        def get(self, request: Any) -> Response:
            assert request.user.is_authenticated
            assert request.user.pk == f"{request.auth.issuer}|{request.auth.subject}"
            return Response(said(request.auth))

    return django_site(over_wsgi, WSGIHandler, Orders.as_view())


ADAPTERS: dict[str, Callable[[Guard], Call]] = {
    "ASGI": asgi,
    "WSGI": wsgi,
    "Starlette": starlette,
    "FastAPI": fastapi,
    "FastAPI, blocking": fastapi_blocking,
    "Flask": flask,
    "Flask, async": flask_async,
    "Django": django_plain,
    "Django, async": django_async,
    "Django, middleware": django_middleware,
    "Django, middleware, async": django_middleware_async,
    "REST framework": rest_framework,
}

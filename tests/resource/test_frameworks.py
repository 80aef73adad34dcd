"""What each framework has of its own: OpenAPI, WebSockets, middleware, how an address is put together."""

import asyncio
import socket
from typing import Annotated, Any
from wsgiref.simple_server import WSGIRequestHandler

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from flask import Flask
from flask.views import MethodView
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from keyfob.errors import Misuse
from keyfob.guard import PRINCIPAL, Guard, Principal
from keyfob.protocol.http import Request
from keyfob.resource.frameworks import starlette as for_starlette
from keyfob.resource.frameworks.wsgi import request_of
from keyfob.resource.io.keys import IssuerKeys
from keyfob.resource.judge import TrustedIssuer, Verifier
from keyfob.resource.policy import Policy
from keyfob.testing.flawed_tokens import TokenMaker

from . import adapters
from .adapters import ADDRESS, django_site, issuer_of, over_asgi, over_wsgi, plain_view, proven, set_up_django
from .conftest import AUDIENCE, ISSUER, NOW

# No postponed annotations here: FastAPI could not see a guard that is an argument.


class Server:
    """As much of wsgiref's server as one request needs."""

    def __init__(self, guard: Guard) -> None:
        self.base_environ = {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SCRIPT_NAME": ""}
        self.get_app = lambda: guard.wsgi(never)


def never(environ: Any, start_response: Any) -> list[bytes]:
    raise AssertionError


@pytest.fixture
def guard(mint: TokenMaker) -> Guard:
    return Guard(issuer=ISSUER, audience=AUDIENCE, realm="orders api", send=issuer_of(mint), clock=lambda: NOW)


@pytest.fixture
def at_address(mint: TokenMaker) -> Guard:
    """A guard that takes proofs of possession, each of them once, and has metadata."""
    return Guard(issuer=ISSUER, audience=AUDIENCE, address=ADDRESS, send=issuer_of(mint), clock=lambda: NOW)


def bearer(mint: TokenMaker) -> tuple[str, str]:
    return "authorization", f"Bearer {mint.good().reveal()}"


# FastAPI and Starlette


def test_a_fastapi_dependency_shows_in_openapi_with_its_scopes(guard: Guard) -> None:
    app = FastAPI()

    @app.get("/orders")
    async def orders(principal: Annotated[Principal, Depends(guard.requires("read:orders", "list:orders"))]) -> str:
        return principal.subject

    @app.get("/open")
    async def anybody() -> str:
        return "hello"

    shown = app.openapi()
    assert shown["components"]["securitySchemes"] == {
        "orders_api": {"type": "openIdConnect", "openIdConnectUrl": f"{ISSUER}.well-known/openid-configuration"}
    }
    assert shown["paths"]["/orders"]["get"]["security"] == [{"orders_api": ["list:orders", "read:orders"]}]
    assert "security" not in shown["paths"]["/open"]["get"]
    assert "parameters" not in shown["paths"]["/orders"]["get"]


def test_several_issuers_show_in_openapi_as_any_bearer(mint: TokenMaker) -> None:
    policies = (Policy(ISSUER, AUDIENCE), Policy("https://second.example/", AUDIENCE))
    several = Guard(*policies, send=issuer_of(mint), clock=lambda: NOW)
    app = FastAPI(dependencies=[Depends(several.requires("read:orders"))])

    @app.get("/orders")
    async def orders() -> str:
        return "orders"

    shown = app.openapi()
    assert shown["components"]["securitySchemes"] == {
        "api": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert shown["paths"]["/orders"]["get"]["security"] == [{"api": ["read:orders"]}]


def test_without_a_word_fastapi_answers_in_its_own_shape(mint: TokenMaker, guard: Guard) -> None:
    app = FastAPI()

    @app.get("/orders")
    async def orders(principal: Annotated[Principal, Depends(guard.requires("delete:orders"))]) -> str:
        return principal.subject

    refused = TestClient(app).get("/orders", headers=[bearer(mint)])
    assert refused.status_code == 403
    assert refused.json() == {"detail": "The token does not cover this action."}
    assert 'scope="delete:orders"' in refused.headers["www-authenticate"]


def test_an_application_its_router_and_its_endpoint_judge_a_proof_once(mint: TokenMaker, at_address: Guard) -> None:
    """Twice, and it would be refused the second time (RFC 9449 §11.1)."""
    guard = at_address
    router = APIRouter(dependencies=[Depends(guard.requires())])

    @router.get("/orders")
    async def read(principal: Annotated[Principal, Depends(guard.requires("read:orders"))]) -> str:
        return principal.subject

    @router.delete("/orders")
    async def delete(principal: Annotated[Principal, Depends(guard.requires("delete:orders"))]) -> str:
        return principal.subject

    app = FastAPI()
    app.include_router(router)
    call = over_asgi(guard.asgi(app))
    assert call("/orders", proven(mint)).json == "auth0|person"
    refused = call("/orders", proven(mint, "DELETE", "two"), "DELETE")
    assert refused.status == 403
    assert refused.all("www-authenticate")[0].startswith("DPoP ")


def test_what_one_guard_has_judged_is_nothing_to_another(mint: TokenMaker, guard: Guard) -> None:
    other = Guard(issuer=ISSUER, audience="https://elsewhere.example/", send=issuer_of(mint), clock=lambda: NOW)

    async def orders(request: StarletteRequest) -> JSONResponse:
        await other.requires()(request)
        raise AssertionError

    client = TestClient(guard.asgi(Starlette(routes=[Route("/orders", orders)])))
    assert client.get("/orders", headers=[bearer(mint)]).status_code == 401


def test_starlette_alone_is_enough(mint: TokenMaker) -> None:
    trusted = TrustedIssuer(Policy(ISSUER, AUDIENCE), IssuerKeys(ISSUER, issuer_of(mint)))
    verifier = Verifier([trusted], clock=lambda: NOW)

    async def orders(request: StarletteRequest) -> JSONResponse:
        return JSONResponse((await for_starlette.requires(verifier, ())(request)).subject)

    client = TestClient(Starlette(routes=[Route("/orders", orders)]))
    assert client.get("/orders", headers=[bearer(mint)]).json() == "auth0|person"
    assert client.get("/orders").headers["www-authenticate"] == 'Bearer realm="api"'


# WebSockets and the rest of ASGI


def socket_app() -> FastAPI:
    app = FastAPI()

    @app.websocket("/news")
    async def news(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.scope[PRINCIPAL].subject)
        await socket.close()

    return app


def test_a_websocket_opens_to_a_good_token_only(mint: TokenMaker, guard: Guard) -> None:
    client = TestClient(guard.asgi(socket_app(), "read:orders"))
    with client.websocket_connect("/news", headers=dict([bearer(mint)])) as opened:
        assert opened.receive_text() == "auth0|person"
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/news"):
        pass
    assert refused.value.status_code == 401
    assert refused.value.headers["www-authenticate"] == 'Bearer realm="orders api", scope="read:orders"'


def test_a_websocket_of_a_server_that_cannot_answer_is_closed_before_it_opens(guard: Guard) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/news", "headers": []}
    asyncio.run(guard.asgi(socket_app())(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_fastapi_websocket_is_guarded_by_the_same_dependency(mint: TokenMaker, guard: Guard) -> None:
    app = FastAPI()

    @app.websocket("/news")
    async def news(socket: WebSocket, principal: Annotated[Principal, Depends(guard.requires("read:orders"))]) -> None:
        await socket.accept()
        await socket.send_text(principal.subject)
        await socket.close()

    client = TestClient(app)
    with client.websocket_connect("/news", headers=dict([bearer(mint)])) as opened:
        assert opened.receive_text() == "auth0|person"
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/news"):
        pass
    assert refused.value.code == 1008


def test_starting_and_stopping_need_no_token(guard: Guard) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: object) -> Any:
        raise AssertionError

    asyncio.run(guard.asgi(app)({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]


# WSGI


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "/shop/a%20b?c=%20d"),
        ({"QUERY_STRING": ""}, "/shop/a%20b"),
        ({"SCRIPT_NAME": "", "PATH_INFO": "", "QUERY_STRING": ""}, "/"),
        ({"PATH_INFO": "/\xc3\xa9:@!*;=%"}, "/shop/%C3%A9:@!*;=%25?c=%20d"),
        ({"PATH_INFO": "/\u20ac"}, "/shop/%3F?c=%20d"),
        ({"HTTP_HOST": "evil.example", "HTTP_X_FORWARDED_HOST": "evil.example"}, "/shop/a%20b?c=%20d"),
        ({"HTTP_X_FORWARDED_FOR": "10.0.0.1", "HTTP_X_FORWARDED_PREFIX": "/x"}, "/shop/a%20b?c=%20d"),
    ],
)
def test_an_environment_says_where_a_request_went(environ: dict[str, object], url: str) -> None:
    """PEP 3333, without `Host` and whatever a proxy might say."""
    told = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/shop",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "c=%20d",
        "REMOTE_ADDR": "192.0.2.1",
        **environ,
    }
    found = request_of(told)
    assert (found.url, found.peer) == (url, "192.0.2.1")


def test_a_proof_for_another_place_is_no_proof_whatever_the_host_says(mint: TokenMaker, at_address: Guard) -> None:
    """[RS-9449-02]: somebody else's API cannot show its callers' proofs here."""
    elsewhere = proven(mint, address="https://evil.example/orders")
    for call in (adapters.wsgi(at_address), adapters.asgi(at_address), adapters.django_plain(at_address)):
        answer = call("/orders", [*elsewhere, ("x-forwarded-host", "evil.example")])
        assert answer.status == 401
        assert 'error="invalid_dpop_proof"' in answer.all("www-authenticate")[0]


def test_the_headers_of_an_environment_are_read_by_their_names() -> None:
    told = {"REQUEST_METHOD": "POST", "HTTP_X_A": "1", "CONTENT_TYPE": "text/plain", "wsgi.input": None, "PATH": "no"}
    assert request_of(told).headers == (("x-a", "1"), ("content-type", "text/plain"))


def test_nobody_gets_past_a_wsgi_guard_by_naming_themselves(guard: Guard) -> None:
    call = adapters.wsgi(guard)
    answer = call("/orders", [("keyfob.principal", "me"), ("keyfob-principal", "me"), ("keyfob.verified", "me")])
    assert answer.status == 401


def test_the_head_of_a_denial_has_no_body(guard: Guard) -> None:
    call = adapters.wsgi(guard)
    whole, head = call("/orders", []), call("/orders", [], "HEAD")
    assert (head.status, head.headers, head.body) == (whole.status, whole.headers, b"")


def test_python_s_own_server_joins_two_headers_and_they_make_no_token(mint: TokenMaker, guard: Guard) -> None:
    """[RS-6750-02]."""
    ours, theirs = socket.socketpair()
    line = ": ".join(bearer(mint))
    with ours, theirs:
        ours.sendall(f"GET /orders HTTP/1.0\r\n{line}\r\n{line}\r\n\r\n".encode())
        ours.shutdown(socket.SHUT_WR)
        WSGIRequestHandler(theirs, ("192.0.2.1", 1), Server(guard))  # type: ignore[arg-type]
        theirs.shutdown(socket.SHUT_WR)
        assert ours.makefile("rb").read().startswith(b"HTTP/1.0 400 Bad Request\r\n")


# Flask


def test_a_flask_view_of_a_class_is_guarded_too(mint: TokenMaker, guard: Guard) -> None:
    class Orders(MethodView):
        decorators = (guard.flask("read:orders"),)

        def get(self, number: int) -> str:
            return f"order {number}"

    app = Flask(__name__)
    app.add_url_rule("/orders/<int:number>", view_func=Orders.as_view("orders"))
    call = over_wsgi(app)
    assert call("/orders/7", [bearer(mint)]).body == b"order 7"
    assert call("/orders/7", []).status == 401


def test_a_flask_application_and_its_views_judge_a_proof_once(mint: TokenMaker, at_address: Guard) -> None:
    app = Flask(__name__)

    @app.get("/orders")
    @at_address.flask("read:orders")
    def orders() -> str:
        return "orders"

    @app.delete("/orders")
    @at_address.flask("delete:orders")
    def delete() -> str:
        raise AssertionError

    app.wsgi_app = at_address.wsgi(app.wsgi_app)  # type: ignore[method-assign]
    call = over_wsgi(app)
    assert call("/elsewhere", []).status == 401
    assert call("/orders", proven(mint)).body == b"orders"
    assert call("/orders", proven(mint, "DELETE", "two"), "DELETE").status == 403


# Django


def test_a_django_view_that_only_a_token_opens_needs_no_csrf_token(mint: TokenMaker, guard: Guard) -> None:
    call = django_site(over_wsgi, WSGIHandler, guard.django("read:orders")(plain_view))
    assert call("/orders", [bearer(mint)], "POST").status == 200
    assert django_site(over_wsgi, WSGIHandler, plain_view)("/orders", [bearer(mint)], "POST").status == 403


@pytest.mark.parametrize(("server", "handler"), [(over_wsgi, WSGIHandler), (over_asgi, ASGIHandler)])
def test_a_django_middleware_and_its_view_judge_a_proof_once(
    mint: TokenMaker, at_address: Guard, server: Any, handler: Any
) -> None:
    adapters.made["guard"] = at_address
    place = f"{adapters.__name__}.middleware"
    read = django_site(server, handler, at_address.django("read:orders")(plain_view), place)
    assert read("/orders", proven(mint)).status == 200
    delete = django_site(server, handler, at_address.django("delete:orders")(plain_view), place)
    assert delete("/orders", proven(mint, "DELETE", "two"), "DELETE").status == 403


class Blocking(View):
    def get(self, request: HttpRequest) -> JsonResponse:
        return plain_view(request)


class Awaited(View):
    async def get(self, request: HttpRequest) -> JsonResponse:
        return plain_view(request)


@pytest.mark.parametrize("made", [Blocking, Awaited])
def test_a_django_view_of_a_class_is_guarded_whole_or_by_its_method(
    mint: TokenMaker, guard: Guard, made: type[View]
) -> None:
    decorator = guard.django("read:orders")
    by_method = type("ByMethod", (made,), {"get": method_decorator(decorator)(made.get)})  # type: ignore[attr-defined]
    by_dispatch = method_decorator(decorator, name="dispatch")(type("ByDispatch", (made,), {}))
    for view in (decorator(made.as_view()), by_method.as_view(), by_dispatch.as_view()):
        call = django_site(over_asgi, ASGIHandler, view)
        assert call("/orders", [bearer(mint)]).json == {"sub": "auth0|person", "client": "program"}
        assert call("/orders", []).all("www-authenticate") == ['Bearer realm="orders api", scope="read:orders"']


# Django REST framework


def rest_site(guard: Guard, permissions: tuple[type, ...], authenticators: tuple[type, ...] | None = None) -> Any:
    set_up_django()
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Orders(APIView):
        authentication_classes = (guard.drf_authentication(),) if authenticators is None else authenticators
        permission_classes = permissions

        def get(self, request: Any) -> Response:
            return Response({"user": str(request.user), "name": request.user and request.user.get_username()})

    return django_site(over_wsgi, WSGIHandler, Orders.as_view())


def test_a_rest_view_for_everybody_knows_who_calls_if_they_say_so(mint: TokenMaker, guard: Guard) -> None:
    call = rest_site(guard, ())
    assert call("/orders", []).json == {"user": "None", "name": None}
    assert call("/orders", [bearer(mint)]).json == {"user": "auth0|person", "name": "auth0|person"}
    assert call("/orders", [("authorization", "Bearer rubbish")]).status == 401


def test_rest_framework_s_own_permissions_challenge_with_the_guard_s_words(mint: TokenMaker, guard: Guard) -> None:
    set_up_django()
    from rest_framework.permissions import IsAuthenticated

    call = rest_site(guard, (IsAuthenticated,))
    assert call("/orders", [bearer(mint)]).status == 200
    refused = call("/orders", [])
    assert (refused.status, refused.all("www-authenticate")) == (401, ['Bearer realm="orders api"'])


def test_a_rest_permission_judges_by_itself_where_nobody_has(mint: TokenMaker, guard: Guard) -> None:
    call = rest_site(guard, (guard.drf_permission("read:orders"),), ())
    assert call("/orders", [bearer(mint), ("accept", "application/json")]).status == 200
    assert call("/orders", []).status == 401


def test_rest_permissions_together_judge_a_proof_once(mint: TokenMaker, at_address: Guard) -> None:
    needs = (at_address.drf_permission(), at_address.drf_permission("read:orders"))
    assert rest_site(at_address, needs)("/orders", proven(mint)).status == 200
    more = (*needs, at_address.drf_permission("delete:orders"))
    assert rest_site(at_address, more)("/orders", proven(mint, "GET", "two")).status == 403


# Metadata


def flask_with_metadata(guard: Guard) -> Any:
    app = Flask(__name__)
    guard.flask_metadata(app)
    return over_wsgi(app)


def django_with_metadata(guard: Guard) -> Any:
    return django_site(over_wsgi, WSGIHandler, guard.django()(plain_view), more=(guard.django_metadata(),))


PUBLISHES = {
    "ASGI": adapters.asgi,
    "WSGI": adapters.wsgi,
    "Starlette": adapters.starlette,
    "FastAPI": adapters.fastapi,
    "Flask": flask_with_metadata,
    "Django": django_with_metadata,
    "Django, middleware": adapters.django_middleware,
    "Django, middleware, async": adapters.django_middleware_async,
}


@pytest.mark.parametrize("adapter", PUBLISHES)
def test_whoever_has_no_token_finds_out_where_to_get_one(at_address: Guard, adapter: str) -> None:
    """[RS-9728-01]."""
    call = PUBLISHES[adapter](at_address)
    answer = call("/.well-known/oauth-protected-resource", [])
    expected = at_address.metadata(Request("GET", "/.well-known/oauth-protected-resource"))
    assert expected is not None
    assert (answer.status, answer.body) == (200, expected.body)
    assert set(expected.headers) <= {(name, value) for name, value in answer.headers}
    assert call("/.well-known/oauth-protected-resource", [], "HEAD").body == b""


@pytest.mark.parametrize("publish", [flask_with_metadata, django_with_metadata])
def test_a_guard_without_an_address_has_no_metadata(guard: Guard, publish: Any) -> None:
    with pytest.raises(Misuse):
        publish(guard)

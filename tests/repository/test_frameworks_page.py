"""The programs in docs/frameworks.md run: each refuses a request without a token and accepts a valid token."""

import json
import re
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from keyfob.jose.keys import SigningKey
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.scope import Scope
from keyfob.testing.flawed_tokens import TokenMaker
from tests.resource.adapters import Answer, Call, django_site, over_asgi, over_wsgi, plain_view, set_up_django
from tools.source import ROOT

ISSUER, AUDIENCE = "https://login.example.com/", "https://api.example.com"
PAGE = (ROOT / "docs" / "frameworks.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")}
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
BLOCKS = [(name, code) for name, part in SECTIONS.items() for code in PROGRAM.findall(part)]
ON_WSGI = {"Any WSGI application", "Flask"}


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> TokenMaker:
    """Return the tokens of the issuer that the page names. Its metadata and keys need no network."""
    key = SigningKey.generate("RS256")

    def send(request: Request) -> Response:
        if request.path == "/jwks.json":
            return json_response(200, {"keys": [key.public_jwk()]})
        return json_response(
            200, {"issuer": ISSUER, "token_endpoint": f"{ISSUER}token", "jwks_uri": f"{ISSUER}jwks.json"}
        )

    monkeypatch.setattr("keyfob.io.http.send_soon", send)
    return TokenMaker(ISSUER, AUDIENCE, key, key, datetime.now(UTC), Scope.of(["read:orders"]))


def server_of(section: str, names: dict[str, Any]) -> Call:
    if "Django" not in section:
        server = over_wsgi if section in ON_WSGI else over_asgi
        return server(names.get("app") or names["application"])

    def call(target: str, headers: list[tuple[str, str]]) -> Answer:
        with override_settings(ROOT_URLCONF=tuple(names["urlpatterns"])):
            return over_wsgi(WSGIHandler())(target, headers)

    return call


@pytest.mark.parametrize(("section", "block"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_a_program_on_the_page_accepts_a_good_token_and_refuses_none(
    tokens: TokenMaker, monkeypatch: pytest.MonkeyPatch, section: str, block: str
) -> None:
    set_up_django()
    names: dict[str, Any] = {"__name__": "the_page"}
    exec(compile(block, "docs/frameworks.md", "exec"), names)
    token = ("authorization", f"Bearer {tokens.good().reveal()}")
    if "check" in names:
        assert names["check"](Request("GET", "/", (token,))) == "auth0|person may"
        assert names["check"](Request("GET", "/")) == "401: This API needs an access token."
        return
    if "metadata" in block:
        answer = over_wsgi(names["app"])("/.well-known/oauth-protected-resource", [])
        assert json.loads(answer.body)["authorization_servers"] == [ISSUER]
        return
    if "middleware" in names:
        monkeypatch.setitem(sys.modules, "project.guard", SimpleNamespace(**names))
        [place] = re.findall(r'MIDDLEWARE = \["([a-z.]+)"', block)
        call = django_site(over_wsgi, WSGIHandler, plain_view, place)
    else:
        call = server_of(section, names)
    passed = call("/orders", [token])
    assert passed.status == 200
    assert b"auth0|person" in passed.body
    refused = call("/orders", [])
    assert (refused.status, refused.json) == (
        401,
        {"error": "unauthorized", "error_description": "This API needs an access token."},
    )


def test_the_page_has_every_adapter() -> None:
    assert {"FastAPI", "Starlette", "Any ASGI application", *ON_WSGI, "Django", "Django REST framework"} <= {
        name for name, _ in BLOCKS
    }


def test_openapi_calls_the_guard_by_its_realm_as_the_page_says(tokens: TokenMaker) -> None:
    names: dict[str, Any] = {"__name__": "the_page"}
    exec(compile(dict(BLOCKS)["FastAPI"], "docs/frameworks.md", "exec"), names)
    assert names["app"].openapi()["paths"]["/orders"]["get"]["security"] == [{"orders": ["read:orders"]}]

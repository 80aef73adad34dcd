"""What client libraries of others take from the tenant's metadata and answers, in both dialects."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

import pytest

from keyfob.protocol.http import Request
from keyfob.server.settings.config import Wire
from keyfob.testing.scene import ISSUER, Scene
from tests.server.wires import CALLBACK, address_of, body_of, landed, person_of, scene_of

DIALECTS: tuple[Wire, ...] = ("auth0", "rfc")
METADATA = ".well-known/openid-configuration"
both = pytest.mark.parametrize("wire", DIALECTS)


def get(scene: Scene, path: str, headers: tuple[tuple[str, str], ...] = (), method: str = "GET") -> Request:
    return Request(method, f"{ISSUER}{path}", headers)


@both
def test_revocation_names_the_type_of_its_answer(wire: Wire) -> None:
    """[FI-02] Auth0's is an empty body of the type JSON; simple-oauth2 fails without a type."""
    answer = scene_of(wire).post("oauth/revoke", client_id="native", token="x")
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    assert answer.body == (b"" if wire == "auth0" else b"{}")


@both
def test_what_is_not_supported_is_said_where_silence_would_mean_that_it_is(wire: Wire) -> None:
    """[FI-03] `request_uri_parameter_supported` is true unless it is said to be false (Discovery §3)."""
    listed = body_of(scene_of(wire).send(get(scene_of(wire), METADATA)))
    assert listed["request_uri_parameter_supported"] is False
    assert listed["request_parameter_supported"] is False
    assert "require_pushed_authorization_requests" not in listed


@both
@pytest.mark.parametrize("address", ["https://evil.example/request.jwt", "urn:example:1", ""])
def test_a_request_uri_that_was_not_pushed_is_refused_by_its_own_error(wire: Wire, address: str) -> None:
    """[FI-03] [AS-OIDC-04]: nothing is fetched from there."""
    page = person_of(scene_of(wire)).open(address_of(request_uri=address))
    if address:
        assert landed(page)["error"] == "request_uri_not_supported"
    else:
        assert "/u/login" in page.url, "an empty parameter is none"


@both
def test_a_foreign_request_uri_with_nowhere_to_go_is_a_page(wire: Wire) -> None:
    """[FI-03]"""
    query = urlencode({"client_id": "native", "request_uri": "https://evil.example/request.jwt"})
    page = person_of(scene_of(wire)).open(f"{ISSUER}authorize?{query}")
    assert page.response.status == 400
    assert "too long ago" not in page.text
    pushed = urlencode({"client_id": "native", "request_uri": "urn:ietf:params:oauth:request_uri:gone"})
    assert "too long ago" in person_of(scene_of(wire)).open(f"{ISSUER}authorize?{pushed}&redirect_uri={CALLBACK}").text


@both
@pytest.mark.parametrize("path", [METADATA, "oauth/token"])
def test_a_browser_may_send_the_header_of_mcp_clients(wire: Wire, path: str) -> None:
    """[FI-04] They send it with each request, the metadata's included."""
    scene = scene_of(wire)
    headers = (("origin", "https://shop.example"), ("access-control-request-method", "GET"))
    answer = scene.send(get(scene, path, headers, "OPTIONS"))
    assert answer.status == 204
    assert "mcp-protocol-version" in (answer.header("access-control-allow-headers") or "").split(", ")


@both
def test_the_metadata_is_found_with_a_slash_too_many(wire: Wire) -> None:
    """[FI-04] Some clients append `/.well-known/...` to an issuer that ends with a slash."""
    scene = scene_of(wire)
    for path in (METADATA, ".well-known/oauth-authorization-server", ".well-known/jwks.json"):
        assert scene.send(get(scene, f"/{path}")).body == scene.send(get(scene, path)).body
    assert scene.send(get(scene, "/oauth/token")).status == 404
    assert scene.send(get(scene, f"//{METADATA}")).status == 404


@both
def test_none_is_a_method_only_where_a_client_is_public(wire: Wire) -> None:
    """[FI-04]"""
    scene = scene_of(wire)
    assert "none" in str(body_of(scene.send(get(scene, METADATA)))["token_endpoint_auth_methods_supported"])
    confidential = tuple(one for one in scene.config.applications if not one.is_public)
    closed = Scene(replace(scene.config, applications=confidential))
    listed = body_of(closed.send(get(closed, METADATA)))
    for name in ("token_endpoint_auth_methods_supported", "revocation_endpoint_auth_methods_supported"):
        assert listed[name] == ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    empty = Scene(replace(scene.config, applications=(), grants=()))
    assert "none" in str(body_of(empty.send(get(empty, METADATA)))["token_endpoint_auth_methods_supported"])

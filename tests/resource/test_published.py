"""An API says at its well-known address whom to ask for a token, and its challenges say where that is."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from keyfob.errors import Malformed, Misuse
from keyfob.guard import CertificateHeader, DpopSettings, Guard
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.http import Request
from keyfob.protocol.resource_metadata import ResourceMetadata, well_known_resource
from keyfob.testing.flawed_tokens import TokenMaker
from keyfob.testing.orders import api

from .conftest import AUDIENCE, ISSUER, NOW
from .scenes import Issuer, call, challenge_of, challenges_of

PLACES = {
    "https://orders.example": "/.well-known/oauth-protected-resource",
    "https://orders.example/": "/.well-known/oauth-protected-resource",
    "https://orders.example/v1": "/.well-known/oauth-protected-resource/v1",
    "https://orders.example/v1/": "/.well-known/oauth-protected-resource/v1/",
    "https://orders.example:8443/a/b": "/.well-known/oauth-protected-resource/a/b",
}


def guard(mint: TokenMaker, address: str | None, **more: object) -> Guard:
    ways: dict[str, object] = {"send": Issuer(mint.key), "clock": lambda: NOW, **more}
    return Guard(issuer=ISSUER, audience=AUDIENCE, address=address, **ways)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", PLACES)
def test_metadata_lies_between_host_and_path(mint: TokenMaker, address: str) -> None:
    """[RS-9728-01]."""
    assert well_known_resource(address).endswith(PLACES[address])
    found = guard(mint, address).metadata(Request("GET", PLACES[address] + "?x=1"))
    assert found is not None
    assert (found.status, found.header("content-type")) == (200, "application/json")
    members = json.loads(found.body)
    assert members == {
        "resource": address,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256", "Ed25519", "PS256", "RS256"],
    }
    assert ResourceMetadata.read(read_json(found.body, "metadata"), resource=address).authorization_servers == (ISSUER,)


def test_a_query_stays_behind_the_path() -> None:
    """[RS-9728-01]: §3.1."""
    assert well_known_resource("https://a.example/?k=v") == "https://a.example/.well-known/oauth-protected-resource?k=v"


@pytest.mark.parametrize("path", ["/", "/orders", "/.well-known/oauth-protected-resource/v1", "/.well-known/x"])
def test_nothing_else_is_metadata(mint: TokenMaker, path: str) -> None:
    assert guard(mint, "https://orders.example").metadata(Request("GET", path)) is None
    assert guard(mint, None).metadata(Request("GET", path)) is None


@pytest.mark.parametrize("address", PLACES)
def test_a_client_that_follows_the_challenge_finds_the_issuer(mint: TokenMaker, address: str) -> None:
    """[RS-9728-02] [RS-6750-03]."""
    api_guard = guard(mint, address)
    for challenge in challenges_of(api_guard.check(call(None), "read:orders")).values():
        url = challenge.parameters["resource_metadata"]
        found = api_guard.metadata(Request("GET", url))
        assert found is not None
        assert json.loads(found.body)["authorization_servers"] == [ISSUER]


def test_every_denial_with_a_challenge_names_the_metadata(mint: TokenMaker) -> None:
    """[RS-9728-02]."""
    api_guard = guard(mint, "https://orders.example")
    for token, needs in ((mint.good(), ("admin",)), (mint.saying({"aud": "x"}), ())):
        for challenge in challenges_of(api_guard.check(call(token), *needs)).values():
            assert (
                challenge.parameters["resource_metadata"]
                == "https://orders.example/.well-known/oauth-protected-resource"
            )
    assert "resource_metadata" not in challenge_of(guard(mint, None).check(call(None))).parameters


def test_metadata_says_more_where_the_api_does(mint: TokenMaker) -> None:
    """[RS-9728-01]."""
    said = ResourceMetadata(
        "https://orders.example",
        scopes_supported=("read:orders",),
        resource_name="Orders",
        resource_documentation="https://orders.example/docs",
        more={"resource": "https://evil.example", "audience": AUDIENCE, "empty": []},
    )
    more = {"dpop": DpopSettings(required=True), "certificates": CertificateHeader("client-cert", ("::1",))}
    found = guard(mint, None, metadata=said, **more).metadata(Request("GET", "/.well-known/oauth-protected-resource"))
    assert found is not None
    members = json.loads(found.body)
    assert members["resource"] == "https://orders.example"
    assert members["audience"] == AUDIENCE
    assert members["scopes_supported"] == ["read:orders"]
    assert members["dpop_bound_access_tokens_required"] is True
    assert members["tls_client_certificate_bound_access_tokens"] is True
    assert "empty" not in members
    assert "none" not in members["dpop_signing_alg_values_supported"]
    read = ResourceMetadata.read(read_json(found.body, "metadata"), resource="https://orders.example")
    assert (read.resource_name, read.resource_documentation) == ("Orders", "https://orders.example/docs")
    assert read.write().items() <= members.items()


def test_metadata_of_another_api_is_refused_letter_for_letter() -> None:
    for other in ("https://orders.example/", "https://Orders.example", "", None, 7):
        with pytest.raises(Malformed):
            ResourceMetadata.read(Fields({"resource": other}, "metadata"), resource="https://orders.example")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_metadata_is_only_read(mint: TokenMaker, method: str) -> None:
    api_guard = guard(mint, "https://orders.example")
    path = "/.well-known/oauth-protected-resource"
    found = api_guard.metadata(Request(method, path))
    assert found is not None
    assert (found.status, found.header("allow")) == (405, "GET, HEAD")
    head = api_guard.metadata(Request("HEAD", path))
    assert head is not None
    assert (head.status, head.body) == (200, b"")


def test_a_guarded_application_serves_it_to_everybody(mint: TokenMaker) -> None:
    """[RS-9728-01] [RS-9728-02]."""
    client = TestClient(api(guard(mint, "https://orders.example")))
    refused = client.get("/orders")
    (bearer, _) = Challenge.read_all([refused.headers["www-authenticate"]])
    found = client.get(bearer.parameters["resource_metadata"].removeprefix("https://orders.example"))
    assert found.json()["resource"] == "https://orders.example"
    assert found.headers["access-control-allow-origin"] == "*"
    assert "max-age" in found.headers["cache-control"]


@pytest.mark.parametrize(
    "address",
    ["http://orders.example", "orders.example", "https://orders.example/#x", "https://a.example/?x", "ftp://a"],
)
def test_an_address_that_could_never_be_right_is_refused(mint: TokenMaker, address: str) -> None:
    with pytest.raises(Misuse):
        guard(mint, address)
    with pytest.raises(Misuse):
        guard(mint, "https://orders.example", metadata=ResourceMetadata("https://other.example"))

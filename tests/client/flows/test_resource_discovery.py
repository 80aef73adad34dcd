"""From an API's address to whom to ask for a token: what may be followed, and what may not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.flows.resource_discovery import LARGEST, ApiFound, covers, find_issuer, profile_name, resources_of
from keyfob.client.model.profile import check_name
from keyfob.errors import KeyfobError, Malformed, Unreachable
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.resource_metadata import WELL_KNOWN, ResourceMetadata, well_known_resource
from keyfob.protocol.scope import Scope
from keyfob.run import run
from keyfob.testing.scripted_server import ScriptedWorld, Silence

API = "https://api.example"
URL = f"{API}/v1/orders?page=1"
ISSUER = "https://login.example/"
PLACE = f"{WELL_KNOWN}/v1"


def refusal(place: str | None = f"{API}{PLACE}", **more: str) -> Response:
    told = ({"resource_metadata": place} if place else {}) | more
    said = ", ".join(f'{name}="{value}"' for name, value in told.items())
    return Response(401, (("www-authenticate", f"Bearer {said}".strip()),))


def says(resource: str = f"{API}/v1", *issuers: str, **more: Any) -> Response:
    return json_response(200, ResourceMetadata(resource, issuers or (ISSUER,), **more).write())


def find(script: dict[str, Any], answer: Response, url: str = URL, *trusted: str) -> tuple[ApiFound, ScriptedWorld]:
    world = ScriptedWorld(script)
    return run(find_issuer(world, url, answer, trusted)), world


def asked(world: ScriptedWorld) -> list[str]:
    return [request.url for _, request in world.sent]


def test_the_address_that_a_challenge_names_is_asked_and_nobody_else() -> None:
    """[C-9728-01]."""
    found, world = find({PLACE: [says(scopes_supported=("a", "b"))]}, refusal())
    assert found == ApiFound(f"{API}/v1", (ISSUER,), Scope.of(["a", "b"]))
    assert asked(world) == [f"{API}{PLACE}"]
    assert all(request.header("authorization") is None for _, request in world.sent)


def test_a_challenge_of_any_scheme_may_name_it() -> None:
    headers = (("www-authenticate", 'Basic realm="x", Bearer realm="y"'),
               ("www-authenticate", f'DPoP algs="ES256", resource_metadata="{API}{PLACE}"'))  # fmt: skip
    assert find({PLACE: [says()]}, Response(401, headers))[0].resource == f"{API}/v1"


def test_without_a_word_the_well_known_addresses_are_asked_from_the_nearest() -> None:
    """[C-9728-01]: and what lies there must be of just the API whose address that is."""
    found, world = find({WELL_KNOWN: [says(API)], PLACE: [Response(404)], f"{PLACE}/orders": [Response(302)]},
                        Response(401))  # fmt: skip
    assert found.resource == API
    assert asked(world) == [f"{API}{WELL_KNOWN}{path}" for path in ("/v1/orders", "/v1", "")]


@pytest.mark.parametrize("resource", [f"{API}/v1", f"{API}/v1/", URL, f"{API}/v1/orders"])
def test_the_address_that_was_called_or_one_above_it_is_the_api(resource: str) -> None:
    """[C-9728-01]: one above only if the document lies at that one's own well-known address."""
    place = well_known_resource(resource)
    script = {place.removeprefix(API).partition("?")[0]: [says(resource)]}
    assert find(script, refusal(place))[0].resource == resource


@pytest.mark.parametrize(
    "resource",
    [
        "https://evil.example/v1", "http://api.example/v1", "https://api.example:444/v1", API, f"{API}/v2",
        f"{API}/v1/orders/7", f"{API}/v", f"{API}/v1?page=1", f"{API}/v1#x", "https://api.example@evil.example/v1",
        "urn:orders", "",
    ],
)  # fmt: skip
def test_metadata_of_another_api_is_not_used_and_no_issuer_is_asked(resource: str) -> None:
    """[C-9728-01] [C-8707-01]."""
    world = ScriptedWorld({PLACE: [says(resource)]})
    with pytest.raises(Malformed) as caught:
        run(find_issuer(world, URL, refusal()))
    assert caught.value.code == "malformed"
    assert asked(world) == [f"{API}{PLACE}"]


@pytest.mark.parametrize(
    "place",
    [
        "https://169.254.169.254/latest/meta-data", "http://169.254.169.254/", "https://other.example/metadata",
        "http://api.example/.well-known/oauth-protected-resource/v1", "https://api.example:8443/x", "http://127.0.0.1/",
        "https://api.example@169.254.169.254/", "file:///etc/passwd", "//169.254.169.254/", "nonsense",
    ],
)  # fmt: skip
def test_nobody_is_asked_but_the_origin_that_the_person_named(place: str) -> None:
    """[C-9728-02]."""
    world = ScriptedWorld({})
    with pytest.raises(Malformed):
        run(find_issuer(world, URL, refusal(place)))
    assert world.sent == []


NEAR = (
    "https://169.254.169.254/", "https://10.0.0.1/", "https://192.168.1.1/", "https://[::1]/", "https://[fe80::1]/",
    "https://127.0.0.1/", "http://127.0.0.1:8080/", "http://localhost/", "https://localhost/", "https://[::ffff:7f00:1]/",
    "https://intranet/", "https://metadata.google.internal/", "https://printer.local/", "https://127.1/",
    "https://2130706433/", "https://0x7f.1/", "https://a.localhost./", "http://login.example/",
    "https://login.example/?x", "https://login.example/#x", "javascript:alert(1)",
)  # fmt: skip


@pytest.mark.parametrize("issuer", NEAR)
def test_an_issuer_in_a_private_network_is_not_asked_unless_it_was_named(issuer: str) -> None:
    """[C-9728-02]."""
    with pytest.raises(Malformed, match="no issuer to which a request is allowed"):
        find({PLACE: [says(f"{API}/v1", issuer)]}, refusal())
    assert find({PLACE: [says(f"{API}/v1", issuer, ISSUER)]}, refusal())[0].issuers == (ISSUER,)


def test_an_issuer_that_is_trusted_comes_first_and_may_be_anywhere() -> None:
    """[C-9728-02]."""
    inside = "https://login.corp.internal/"
    script = {PLACE: [says(f"{API}/v1", ISSUER, "https://other.example/", inside)]}
    assert find(script, refusal(), URL, inside)[0].issuers == (inside, ISSUER, "https://other.example/")
    with pytest.raises(Malformed):
        find({PLACE: [says(f"{API}/v1", "http://10.0.0.1/")]}, refusal(), URL, "http://10.0.0.1/")


def test_an_api_on_this_machine_may_name_an_issuer_on_this_machine() -> None:
    here = "http://127.0.0.1:8000"
    script = {WELL_KNOWN: [says(here, "http://localhost:9000/")], f"{WELL_KNOWN}/orders": [Response(404)]}
    found, _ = find(script, Response(401), f"{here}/orders")
    assert found.issuers == ("http://localhost:9000/",)


def test_what_the_api_has_just_missed_is_what_is_asked_for() -> None:
    script = {PLACE: [says(scopes_supported=("a", "b"))]}
    assert find(script, refusal(scope="b"))[0].scope == Scope.of(["b"])
    assert find({PLACE: [says(scopes_supported=('"',))]}, refusal())[0].scope == Scope()


def test_an_api_that_takes_only_bound_tokens_says_so() -> None:
    assert find({PLACE: [says(dpop_bound_access_tokens_required=True)]}, refusal())[0].needs_proof is True
    assert find({PLACE: [says()]}, refusal())[0].needs_proof is False


ODD = {
    "nothing": Response(404),
    "a redirect": Response(302, (("location", "https://169.254.169.254/"),)),
    "a page": Response(200, (("content-type", "text/html"),), b"<html>"),
    "too much": Response(200, (), b'{"resource":"' + b"x" * LARGEST + b'"}'),
    "no issuers": json_response(200, {"resource": f"{API}/v1"}),
    "issuers of a wrong type": json_response(200, {"resource": f"{API}/v1", "authorization_servers": ISSUER}),
    "silence": Silence(),
}


@pytest.mark.parametrize("case", ODD)
def test_what_makes_no_sense_is_one_of_our_errors_and_nothing_else_is_asked(case: str) -> None:
    """[C-9728-02]: a redirect is not followed, and an endless answer not read."""
    world = ScriptedWorld({PLACE: [ODD[case]]})
    with pytest.raises((Malformed, Unreachable)):
        run(find_issuer(world, URL, refusal()))
    assert len(world.sent) == 1


def test_an_api_that_says_nothing_is_told_apart() -> None:
    with pytest.raises(Malformed) as caught:
        find({PLACE: [Response(404)], f"{PLACE}/orders": [Response(404)], WELL_KNOWN: [Response(404)]}, Response(401))
    assert caught.value.code == "metadata-missing"


def test_an_event_loop_finds_the_same() -> None:
    world = ScriptedWorld({PLACE: [says()]})
    assert asyncio.run(find_issuer(world, URL, refusal())).issuers == (ISSUER,)


@given(st.lists(st.text(max_size=60), max_size=3), st.binary(max_size=200))
def test_whatever_an_api_says_only_its_own_origin_is_asked(headers: list[str], body: bytes) -> None:
    """[C-9728-02]."""

    class Echo(ScriptedWorld):
        async def send(self, request: Request) -> Response:
            self.sent.append((self.time.passed, request))
            return Response(200, (), body)

    world = Echo({})
    answer = Response(401, tuple(("www-authenticate", header) for header in headers))
    with pytest.raises(KeyfobError):
        run(find_issuer(world, URL, answer))
    assert all(request.url.startswith(f"{API}/") for _, request in world.sent)


@pytest.mark.parametrize(
    ("resource", "url", "is_part"),
    [
        (API, f"{API}/orders", True), (f"{API}/", API, True), (f"{API}/v1", f"{API}/v1", True),
        (f"{API}/v1/", f"{API}/v1", True), (f"{API}/v1", f"{API}/v1/x?y=1", True), (f"{API}/v1", f"{API}/v10", False),
        (f"{API}/v1", f"{API}/v1/../admin", False), (f"{API}/v1", f"{API}/v1/%2e%2e/admin", False),
        (f"{API}/v1", f"{API}/v1/..%2fadmin", False), (f"{API}:443", f"{API}/x", True), ("urn:x", "urn:x", False),
        (f"{API}/v1?x", f"{API}/v1?x", False), ("https://API.example", f"{API}/x", True),
    ],
)  # fmt: skip
def test_an_address_is_a_part_of_an_api_or_it_is_not(resource: str, url: str, is_part: bool) -> None:
    """[C-9728-01]."""
    assert covers(resource, url) is is_part


def test_an_address_may_be_a_part_of_so_many_apis_and_no_more() -> None:
    assert list(resources_of(f"{API}/a/b/?x#y")) == [f"{API}/a/b", f"{API}/a", API]
    assert len(list(resources_of(f"{API}{'/a' * 500}"))) == 6


@given(st.from_regex(r"https://[a-z0-9.-]{1,80}(:[0-9]{1,5})?(/[a-z/]{0,20})?", fullmatch=True))
def test_every_api_has_a_name_that_can_be_a_files(resource: str) -> None:
    """[C-8707-01]."""
    check_name(profile_name(resource))


def test_two_apis_have_two_names() -> None:
    """[C-8707-01]: and so two logins, and two tokens."""
    assert profile_name(f"{API}/") == profile_name(API) == "api.example"
    several = [
        API,
        f"{API}:8443",
        f"{API}/v1",
        f"{API}/v2",
        f"{API}/?x",
        "https://other.example",
        f"https://{'a' * 60}.example",
    ]
    assert len({profile_name(resource) for resource in several}) == len(several)


def test_an_address_that_makes_no_name_is_named_by_its_hash() -> None:
    name, other = profile_name("https://[::1]/"), profile_name("https://[::2]/")
    assert name.startswith("api-")
    assert name != other
    check_name(name)

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.flows.discovery import check_issuer, discover
from keyfob.errors import KeyfobError, Malformed, Misuse, Unreachable
from keyfob.protocol.address import is_safe
from keyfob.protocol.http import Response, json_response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.run import run
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.scripts import DOCUMENT, ISSUER, METADATA, OPENID, PAGE, PROFILE, context

OAUTH = "/.well-known/oauth-authorization-server"


def found(document: Response) -> ServerMetadata:
    return run(discover(ScriptedWorld({OPENID: [document]}), PROFILE))


def refused(*answers: tuple[str, Response], issuer: str = ISSUER) -> tuple[Malformed, ScriptedWorld]:
    world = ScriptedWorld({path: [answer] for path, answer in answers})
    with pytest.raises(Malformed) as caught:
        run(discover(world, context(issuer)))
    return caught.value, world


@pytest.mark.parametrize(
    ("issuer", "asked"),
    [
        ("https://login.example", [OPENID, OAUTH]),
        ("https://login.example/", [OPENID, OAUTH]),
        ("https://login.example/realms/a", [f"/realms/a{OPENID}", f"{OAUTH}/realms/a"]),
        ("https://login.example/realms/a/", [f"/realms/a{OPENID}", f"{OAUTH}/realms/a"]),
    ],
)
def test_both_well_known_addresses_are_asked_in_their_order(issuer: str, asked: list[str]) -> None:
    """[C-8414-01]"""
    problem, world = refused(*((path, Response(404)) for path in asked), issuer=issuer)

    assert problem.code == "metadata-missing"
    assert [request.url for _, request in world.sent] == [f"https://login.example{path}" for path in asked]


def test_a_server_that_knows_only_rfc_8414_is_found() -> None:
    """[C-8414-01]"""
    world = ScriptedWorld({OPENID: [Response(404)], OAUTH: [DOCUMENT]})

    assert run(discover(world, PROFILE)) == METADATA


@pytest.mark.parametrize(
    "named",
    ["https://login.example", "https://Login.example/", "https://login.example:443/", "https://other.example/", "x"],
)
def test_another_issuer_is_refused_letter_for_letter(named: str) -> None:
    """[C-8414-02]"""
    problem, world = refused((OPENID, json_response(200, METADATA.write() | {"issuer": named})))

    assert problem.code == "wrong-issuer"
    assert problem.hint
    assert len(world.sent) == 1


def test_members_that_nobody_knows_are_ignored_and_absent_ones_are_absent() -> None:
    """[C-6749-04]"""
    small = {"issuer": ISSUER, "token_endpoint": "https://login.example/token", "junk": [{"x": None}], "op_tos_uri": ""}

    metadata = found(json_response(200, small))

    assert metadata.device_authorization_endpoint is None
    assert metadata.token_endpoint == "https://login.example/token"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (PAGE, "web page"),
        (Response(200, (), b"hello"), "not JSON"),
        (Response(404), "no metadata"),
        (Response(302), "no"),
    ],
    ids=["page", "text", "404", "redirect"],
)
def test_what_is_no_metadata_is_said_plainly(answer: Response, words: str) -> None:
    problem, _ = refused((OPENID, answer), (OAUTH, answer))

    assert problem.code == "metadata-missing"
    assert words in problem.message
    assert OPENID in problem.hint


@pytest.mark.parametrize("name", ["token_endpoint", "device_authorization_endpoint", "revocation_endpoint", "jwks_uri"])
def test_an_endpoint_in_clear_is_refused(name: str) -> None:
    """[C-6749-01]"""
    problem, _ = refused((OPENID, json_response(200, METADATA.write() | {name: "http://login.example/x"})))

    assert problem.field == name


@pytest.mark.parametrize(
    "issuer",
    ["", "login.example", "ftp://login.example/", "http://login.example/", "https://login.example/?x", "https://a/#b",
     "https://user@login.example/", "http://127.0.0.1.evil.example/", "http://localhost.evil.example/", "https://a b/"],
)  # fmt: skip
def test_an_issuer_that_cannot_be_asked_safely_is_not_asked(issuer: str) -> None:
    """[C-6749-01]"""
    world = ScriptedWorld({})

    with pytest.raises(Misuse):
        run(discover(world, context(issuer)))

    assert world.sent == []


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:8790/", "http://[::1]:1/", "http://localhost/", "https://a.b/c"])
def test_plain_http_is_for_this_machine_alone(issuer: str) -> None:
    """[C-6749-01]"""
    check_issuer(issuer)

    assert is_safe(issuer)


def test_a_network_that_is_down_is_not_taken_for_a_missing_document() -> None:
    with pytest.raises(Unreachable):
        run(discover(ScriptedWorld({}), PROFILE))


def test_a_document_survives_being_written_and_found() -> None:
    whole = replace(METADATA, scopes_supported=("openid",), grant_types_supported=("x",))

    assert found(json_response(200, whole.write())) == whole


@given(st.sampled_from([200, 204, 301, 403, 404, 500]), st.binary(max_size=80))
def test_whatever_is_answered_is_metadata_or_an_error_of_ours(status: int, body: bytes) -> None:
    world = ScriptedWorld({OPENID: [Response(status, (), body)], OAUTH: [Response(status, (), body)]})

    with pytest.raises(KeyfobError):
        run(discover(world, PROFILE))

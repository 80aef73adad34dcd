"""Issuers whose metadata is missing, out of order or short, and clients that they do not know."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyfob.client.model.notices import FlowChosen, FlowRefused, PasteAsked
from keyfob.client.model.surroundings import Surroundings
from keyfob.errors import KeyfobError, Malformed, Refused, Unreachable
from keyfob.login import App
from keyfob.protocol.http import Response, json_response
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import Answer, ScriptedWorld
from tests.attacks.keycloak import ISSUER as KEYCLOAK
from tests.attacks.keycloak import Client, Keycloak
from tests.client.scripts import ISSUER, METADATA, OPENID, codes, tokens

OAUTH = "/.well-known/oauth-authorization-server"
BARE: dict[str, object] = {"issuer": ISSUER, "token_endpoint": METADATA.token_endpoint}
DEVICE = {"device_authorization_endpoint": METADATA.device_authorization_endpoint}
SSH = Surroundings(is_ssh=True)


def app_at(world: ScriptedWorld, issuer: str = ISSUER, client_id: str = "cli", **more: object) -> App:
    return App(issuer=issuer, client_id=client_id, vault=MemoryVault(), world=world, **more)  # type: ignore[arg-type]


def of(metadata: dict[str, object], **paths: Answer) -> ScriptedWorld:
    script: dict[str, list[Answer]] = {OPENID: [json_response(200, metadata)]}
    return ScriptedWorld(script | {f"/{path}": [answer] for path, answer in paths.items()})


def failed(world: ScriptedWorld, **more: object) -> KeyfobError:
    with pytest.raises(KeyfobError) as raised:
        app_at(world, **more).log_in(world.notify)  # type: ignore[arg-type]
    return raised.value


def test_an_issuer_without_a_way_for_a_person_is_said_to_be_one() -> None:
    """[FC-34]"""
    problem = failed(of(BARE))
    assert isinstance(problem, Refused)
    assert problem.code == "flow-unavailable"
    assert "does not support the device flow" in problem.hint


@pytest.mark.parametrize("grants", [["authorization_code", "device_code"], ["password"], ["client_credentials"]])
def test_a_device_endpoint_counts_whatever_the_grants_are_called(grants: list[str]) -> None:
    """[FC-38]: announced as at gitlab.com, whose grant is called `device_code`, or given by a setting."""
    world = of(BARE | DEVICE | {"grant_types_supported": grants}, device=codes(), token=tokens())
    world.here = SSH
    app_at(world).log_in(world.notify)
    assert [notice.door for notice in world.notices if isinstance(notice, FlowChosen)] == ["device"]

    given = of(BARE | {"grant_types_supported": grants}, device=codes(), token=tokens())
    given.here = SSH
    app_at(given, endpoints=DEVICE).log_in(given.notify)
    assert given.requests("/device")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_an_issuer_that_is_busy_is_not_one_without_metadata(status: int) -> None:
    """[FC-39]: exit code 7, since another try may help."""
    for answers in ((Response(status), Response(404)), (Response(404), Response(status))):
        problem = failed(ScriptedWorld({OPENID: [answers[0]], OAUTH: [answers[1]]}))
        assert isinstance(problem, Unreachable)
        assert (problem.exit, str(status) in problem.message) == (7, True)


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "refused the request for its metadata"), (401, "refused the request for its metadata"), (302, "redirect")],
)
def test_an_issuer_that_refuses_or_redirects_is_said_to(status: int, words: str) -> None:
    """[FC-39]"""
    answer = Response(status, (("location", "https://evil.example/"),))
    problem = failed(ScriptedWorld({OPENID: [answer], OAUTH: [Response(404)]}))
    assert isinstance(problem, Malformed)
    assert words in problem.message
    assert str(status) in problem.message
    assert "evil" not in f"{problem.message}{problem.hint}"


def test_metadata_at_the_second_address_is_enough_while_the_first_is_broken() -> None:
    """[FC-39]"""
    world = ScriptedWorld({OPENID: [Response(500)], OAUTH: [json_response(200, BARE)]})
    assert app_at(world).metadata().token_endpoint == METADATA.token_endpoint


@pytest.mark.parametrize("issuer", ["github", "https://github.com/login/oauth", "https://git.acme.example/login/oauth"])
def test_github_written_out_has_the_endpoints_of_its_short_name(issuer: str) -> None:
    """[FC-35] [FC-31]: `offline_access` gives an OAuth app tokens that expire, and a refresh token with them."""
    world = ScriptedWorld({"/login/device/code": [codes()], "/login/oauth/access_token": [tokens(scope="repo")]})
    world.here = SSH
    app_at(world, issuer, scopes=["repo"]).log_in(world.notify)
    assert [request.path for _, request in world.sent] == ["/login/device/code", "/login/oauth/access_token"]


def test_an_unknown_client_is_told_so_at_once() -> None:
    """[FC-09]: Auth0 has one error for an unknown client and for one that may not log in by code."""
    refusal = json_response(403, {
        "error": "unauthorized_client", "error_description": "Unauthorized or unknown client",
    })  # fmt: skip
    metadata = BARE | DEVICE | {"authorization_endpoint": "https://login.example/authorize"}
    world = of(metadata, device=refusal, authorize=Response(403, (), b"<html>Unknown client"))
    world.here = SSH
    problem = failed(world, client_id="clii")
    assert "Unauthorized or unknown client" in problem.message
    assert "the server does not know the client ID" in problem.hint
    assert world.time.passed == timedelta(), "nobody waits"
    assert not any(isinstance(notice, PasteAsked) for notice in world.notices)
    assert world.capabilities == {}, "nothing is remembered of it"


def test_a_known_client_that_may_not_log_in_by_code_is_offered_the_next_flow_with_the_server_s_words() -> None:
    """[FC-09]"""
    world = Keycloak(Client(has_device=False))
    world.here = SSH
    problem = failed(world, issuer=KEYCLOAK)
    assert problem.code == "timed-out"
    [refused] = [notice for notice in world.notices if isinstance(notice, FlowRefused)]
    assert "The flow is disabled for the client" in refused.why
    assert any(isinstance(notice, PasteAsked) for notice in world.notices)
    assert world.capabilities == {}, "only a login that succeeds tells why one was refused"


def test_an_address_of_many_tenants_is_said_to_be_one() -> None:
    """[FC-41]: Entra's `common`, whose metadata names a pattern."""
    issuer = "https://login.microsoftonline.com/common/v2.0"
    metadata = {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0", "token_endpoint": "x"}
    world = ScriptedWorld({f"/common/v2.0{OPENID}": [json_response(200, metadata)]})
    problem = failed(world, issuer=issuer)
    assert problem.code == "wrong-issuer"
    assert "microsoft:TENANT" in problem.hint

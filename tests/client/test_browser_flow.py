"""A login through this machine's browser: the flow by itself, and in a scene. The listener has tests elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from keyfob.client.browser_flow import log_in
from keyfob.client.drive import drive
from keyfob.client.profile import Profile
from keyfob.errors import InvalidToken, KeyfobError, LoginDeclined, Malformed, Refused, TimedOut
from keyfob.login import App, BrowserOpened
from keyfob.protocol.pkce import challenge_of
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.serve import Wire
from keyfob.testing.example_tenant import ORDERS, example_config
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scene import EMAIL, Scene, SceneWorld
from keyfob.testing.scene import ISSUER as TENANT
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.scripts import API, CLIENT, ISSUER, METADATA, error, tokens

PROFILE = Profile("default", ISSUER, CLIENT, API, Scope.of(["openid", "read:orders"]))
SERVER = replace(METADATA, authorization_endpoint="https://login.example/authorize?tenant=1")
STRICT = replace(SERVER, authorization_response_iss_parameter_supported=True)


def world_of(brings: Mapping[str, str] | None, *answers: object) -> ScriptedWorld:
    world = ScriptedWorld({"/token": list(answers or (tokens(),))})  # type: ignore[dict-item]
    world.brings = brings
    return world


def test_the_browser_is_sent_with_all_that_keeps_the_answer_ours() -> None:
    """[C-7636-01] [C-7636-02]: S256, a state and a nonce, each new; and the code comes back with its verifier."""
    world = world_of({"code": "c"})
    came = drive(log_in(SERVER, PROFILE, (8484,)), world)
    sent = {name: values[0] for name, values in parse_qs(urlsplit(world.address).query).items()}
    back = {name: values[0] for name, values in parse_qs(world.requests("/token")[0].body.decode()).items()}
    assert sent["tenant"] == "1"
    assert (sent["response_type"], sent["code_challenge_method"], sent["audience"]) == ("code", "S256", API)
    assert sent["redirect_uri"] == back["redirect_uri"] == "http://127.0.0.1:8484/callback"
    assert sent["code_challenge"] == challenge_of(Secret(back["code_verifier"]))
    assert sent["nonce"] == came.nonce
    assert len({sent["state"], sent["nonce"], back["code_verifier"]}) == 3
    assert min(map(len, (sent["state"], sent["nonce"], back["code_verifier"]))) == 43
    assert world.notices == [BrowserOpened(world.address, timedelta(minutes=10), has_opened=True)]


ENDS: dict[str, tuple[Mapping[str, str] | None, type[KeyfobError]]] = {
    "declined": ({"error": "access_denied"}, LoginDeclined),
    "refused": ({"error": "invalid_scope", "error_description": "no \x1b[2J such"}, Refused),
    "nobody came": (None, TimedOut),
    "neither": ({}, Malformed),
    "both": ({"code": "c", "error": "x"}, Malformed),
    "another issuer": ({"code": "c", "iss": "https://evil.example/"}, Malformed),
    "an error of another issuer": ({"error": "access_denied", "iss": "https://evil.example/"}, Malformed),
}


@pytest.mark.parametrize("case", ENDS)
def test_what_comes_back_ends_as_it_should_and_no_code_is_spent(case: str) -> None:
    brings, kind = ENDS[case]
    world = world_of(brings)
    with pytest.raises(kind) as raised:
        drive(log_in(SERVER, PROFILE), world)
    assert "\x1b" not in raised.value.message
    assert world.requests("/token") == []


def test_an_issuer_that_promised_to_name_itself_must() -> None:
    """[C-9207-01]: and what it says must be so, on errors too."""
    with pytest.raises(Malformed):
        drive(log_in(STRICT, PROFILE), world_of({"code": "c"}))
    assert drive(log_in(STRICT, PROFILE), world_of({"code": "c", "iss": ISSUER}))


def test_a_server_without_that_leg_and_one_that_gives_no_tokens_are_said_plainly() -> None:
    with pytest.raises(Refused) as raised:
        drive(log_in(METADATA, PROFILE), world_of({"code": "c"}))
    assert raised.value.code == "flow-unavailable"
    with pytest.raises(Refused, match="invalid_grant"):
        drive(log_in(SERVER, PROFILE), world_of({"code": "c"}, error("invalid_grant")))


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_a_person_logs_a_program_in_through_the_browser(wire: Wire) -> None:
    scene = Scene(example_config(TENANT, wire))
    app = App(
        issuer=TENANT,
        client_id="native",
        audience=ORDERS,
        scopes=["read:orders"],
        vault=MemoryVault(),
        world=SceneWorld(scene, lambda _: None),
    )
    held = app.log_in(lambda _: None, browser_ports=[8484])
    assert (held.person, held.refresh_token is not None) == (EMAIL, True)
    first = app.session().token()
    scene.time.go(timedelta(days=1))
    assert app.session().token() != first, "and it is renewed as any other"


def test_an_id_token_with_another_nonce_is_not_believed() -> None:
    """[C-OIDC-03]: a code that was planted brings somebody else's ID token."""
    scene = Scene(example_config(TENANT))

    class Planted(SceneWorld):
        def browse(self, address: str) -> bool:
            return super().browse(address.replace("nonce=", "nonce=x"))

    app = App(issuer=TENANT, client_id="native", vault=MemoryVault(), world=Planted(scene, lambda _: None))
    with pytest.raises(InvalidToken):
        app.log_in(lambda _: None, browser_ports=[8484])

"""What a program proves itself with: made out to whom, shown where, read from where."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import ModuleType
from urllib.parse import parse_qs

import pytest

from keyfob.client.io.secret_sources import read_credential
from keyfob.client.model.credential import PrivateKey
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import AssertionAudience, Source
from keyfob.errors import Misuse
from keyfob.jose.tokens import Unverified, take_apart
from keyfob.login import App
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.testing.example_tenant import MACHINE_KEY, ORDERS, example_config
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scene import ISSUER as TENANT
from keyfob.testing.scene import Scene, SceneWorld
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.scripts import ISSUER, METADATA, OPENID, tokens

SOURCE = Source("key", "env", "ROBOT_KEY")
PAR = "https://login.example/par"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOT_KEY", MACHINE_KEY.pem().decode())


def assertion_in(request: Request) -> tuple[Unverified, dict[str, object]]:
    shown = parse_qs(request.body.decode())
    assert shown["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    [assertion] = shown["client_assertion"]
    assert request.header("authorization") is None
    assert "client_secret" not in shown
    unverified = take_apart(Secret(assertion))
    return unverified, json.loads(unverified.payload)


def logged_in_and_out(audience: AssertionAudience = "issuer") -> ScriptedWorld:
    """By browser, with a pushed request, and ended: the requests in which a program proves itself."""
    metadata = replace(
        METADATA,
        authorization_endpoint="https://login.example/authorize",
        pushed_authorization_request_endpoint=PAR,
        require_pushed_authorization_requests=True,
    )
    world = ScriptedWorld(
        {
            OPENID: [json_response(200, metadata.write())],
            "/par": [json_response(201, {"request_uri": "urn:x", "expires_in": 60})],
            "/token": [tokens(refresh_token="rt-1")],
            "/revoke": [Response(200)],
        }
    )
    world.brings = {"code": "c"}
    app = App(
        issuer=ISSUER, client_id="robot", flow="browser", credential=SOURCE, assertion_audience=audience,
        vault=MemoryVault(), world=world,
    )  # fmt: skip
    app.log_in()
    app.session().log_out()
    return world


@pytest.mark.parametrize("path", ["/par", "/token", "/revoke"])
def test_an_assertion_is_for_the_issuer_wherever_it_is_shown_and_says_what_it_is(path: str) -> None:
    """[C-7523b-01] [C-7523-01]"""
    unverified, claims = assertion_in(logged_in_and_out().requests(path)[0])
    assert claims["aud"] == ISSUER
    assert unverified.type == "client-authentication+jwt"
    assert (claims["iss"], claims["sub"]) == ("robot", "robot")
    assert {"exp", "jti"} <= claims.keys()


def test_no_assertion_is_shown_twice() -> None:
    """[C-7523-01]"""
    world = logged_in_and_out()
    shown = [assertion_in(request)[1] for _, request in world.sent if b"client_assertion=" in request.body]
    assert len({claims["jti"] for claims in shown}) == len(shown) == 4


@pytest.mark.parametrize("path", ["/par", "/token", "/revoke"])
def test_an_older_server_gets_what_it_wants_where_the_profile_says_so(path: str) -> None:
    """[C-7523b-01]: the legacy switch, for one issuer and no other."""
    unverified, claims = assertion_in(logged_in_and_out("token-endpoint").requests(path)[0])
    assert (claims["aud"], unverified.type) == (METADATA.token_endpoint, "JWT")


def test_the_switch_is_kept_in_the_profile() -> None:
    profile = Profile("ci", ISSUER, "robot", credential=SOURCE, is_machine=True, assertion_audience="token-endpoint")
    assert Profile.read("ci", profile.write()) == profile
    with pytest.raises(Misuse):
        Profile.read("ci", profile.write().replace(b"token-endpoint", b"anybody"))


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_our_own_tenant_takes_both_forms_and_the_new_one_by_default(wire: str) -> None:
    """[C-7523b-01]"""
    scene = Scene(example_config(TENANT, wire))  # type: ignore[arg-type]
    app = App(
        issuer=TENANT, client_id="signer", audience=ORDERS, is_machine=True, credential=SOURCE,
        vault=MemoryVault(), world=SceneWorld(scene, lambda _: None),
    )  # fmt: skip
    app.log_in()
    [asked] = [request for request in scene.pair.sent if request.path == "/oauth/token"]
    assert assertion_in(asked)[0].type == "client-authentication+jwt"


# From the keyring.


class Keyring(ModuleType):
    """What the library of that name offers, with one thing in it."""

    def __init__(self, kept: dict[tuple[str, str], str], problem: Exception | None = None) -> None:
        super().__init__("keyring")
        self._kept, self._problem = kept, problem

    def get_password(self, service: str, name: str) -> str | None:
        if self._problem is not None:
            raise self._problem
        return self._kept.get((service, name))


def test_a_secret_and_a_key_are_read_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {("ci/robot", "secret"): "word\n", ("ci/robot", "key"): MACHINE_KEY.pem().decode()}
    monkeypatch.setitem(sys.modules, "keyring", Keyring(kept))
    assert read_credential(Source("secret", "keyring", "ci/robot/secret")) == Secret("word")
    found = read_credential(Source("key", "keyring", "ci/robot/key"))
    assert isinstance(found, PrivateKey)
    assert found.key.key_id == MACHINE_KEY.key_id
    with pytest.raises(Misuse, match="ci/robot/other in the keyring is empty or does not exist"):
        read_credential(Source("secret", "keyring", "ci/robot/other"))


def test_a_keyring_that_does_not_open_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", Keyring({}, RuntimeError("locked: s3cret")))
    with pytest.raises(Misuse, match="RuntimeError") as raised:
        read_credential(Source("secret", "keyring", "ci/robot"))
    assert "s3cret" not in f"{raised.value.message}{raised.value.hint}"


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(Misuse, match="extra keyring") as raised:
        read_credential(Source("secret", "keyring", "ci/robot"))
    assert raised.value.code == "extra-missing"


@pytest.mark.parametrize("text", ["secret:keyring:ci/robot", "key:keyring:ci/robot"])
def test_a_place_in_the_keyring_is_kept(text: str) -> None:
    assert Source.read(text).write() == text

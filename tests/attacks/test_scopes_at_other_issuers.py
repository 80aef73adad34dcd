"""Scopes that keyfob adds by itself, at issuers that refuse some of them to this client or this user."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from keyfob.client.model.notices import CodeShown, ScopeLeftOut
from keyfob.errors import Refused, TimedOut
from keyfob.login import App, StoredLogin
from keyfob.protocol.http import json_response
from keyfob.server.settings.config import Wire
from keyfob.testing.example_tenant import example_config
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scene import EMAIL, Scene, SceneWorld
from keyfob.testing.scene import ISSUER as TENANT
from keyfob.testing.scripted_server import ScriptedWorld
from tests.attacks.keycloak import ISSUER, Client, Keycloak

ALL = frozenset({"openid", "profile", "email", "offline_access"})


def app_at(world: ScriptedWorld, *scopes: str, **more: object) -> App:
    settings: dict[str, object] = {"issuer": ISSUER, "flow": "browser", "login_command": "keyfob login", **more}
    return App(client_id="cli", scopes=scopes, vault=MemoryVault(), world=world, **settings)  # type: ignore[arg-type]


def log_in(world: ScriptedWorld, *scopes: str, **more: object) -> StoredLogin:
    return app_at(world, *scopes, **more).log_in(world.notify)


def asked(world: Keycloak) -> list[set[str]]:
    return [set(visit["scope"].split()) for visit in world.visits]


def left_out(world: ScriptedWorld) -> list[tuple[str, ...]]:
    return [notice.names for notice in world.notices if isinstance(notice, ScopeLeftOut)]


def test_a_client_without_the_optional_scope_logs_in_by_browser_and_the_next_time_at_once() -> None:
    """[FC-32] `invalid_scope` of Keycloak names every scope, so what keyfob added is left out; the user stays known."""
    world = Keycloak(Client(scopes=frozenset({"openid", "profile", "orders"})))
    stored = log_in(world, "orders")
    assert asked(world) == [ALL | {"orders"}, {"openid", "orders"}]
    assert (stored.person, stored.scope.names) == ("pat@example.com", {"openid", "orders"})
    assert left_out(world) == [("email", "offline_access", "profile")]

    log_in(world, "orders")
    assert asked(world)[2:] == [{"openid", "orders"}], "remembered for this issuer and client"
    world.time.wait(timedelta(days=31))
    log_in(world, "orders")
    assert asked(world)[3:] == [ALL | {"orders"}, {"openid", "orders"}], "but not for ever"


@pytest.mark.parametrize("flow", ["browser", "device"])
def test_a_user_who_may_not_be_offline_logs_in_without_that_alone(flow: str) -> None:
    """[FC-32] `not_allowed`, at Keycloak's token endpoint, for users without the role `offline_access`."""
    world = Keycloak(Client(user_may_be_offline=False))
    stored = log_in(world, flow=flow)
    assert stored.scope.names == {"openid", "profile", "email"}
    assert left_out(world) == [("offline_access",)]
    count = len(world.requests("/realms/staff/protocol/openid-connect/token"))
    log_in(world, flow=flow)
    assert len(world.requests("/realms/staff/protocol/openid-connect/token")) == count + 1


def test_a_code_is_asked_for_again_with_less_also_where_nobody_waits() -> None:
    """[FC-32]"""
    world = Keycloak(Client(scopes=frozenset({"openid"})))
    app = app_at(world, flow="device")
    app.begin(world.notify)
    assert [type(notice) for notice in world.notices] == [ScopeLeftOut, CodeShown]
    assert app.resume(world.notify).scope.names == {"openid"}


def test_a_user_who_resumes_and_may_not_be_offline_is_told_to_log_in_again_and_then_may() -> None:
    """[FC-32]"""
    world = Keycloak(Client(user_may_be_offline=False))
    app = app_at(world, flow="device")
    app.begin(world.notify)
    with pytest.raises(Refused, match="not_allowed") as raised:
        app.resume(world.notify)
    assert "keyfob login" in raised.value.hint
    app.begin(world.notify)
    assert app.resume(world.notify).person == "pat@example.com"


def test_an_issuer_that_refuses_openid_too_is_asked_for_what_was_named() -> None:
    """[FC-32] A GitLab application has the scopes that were ticked for it, whatever the issuer supports."""
    world = Keycloak(Client(scopes=frozenset({"read_api"})))
    stored = log_in(world, "read_api")
    assert asked(world) == [ALL | {"read_api"}, {"openid", "read_api"}, {"read_api"}]
    assert (stored.subject, stored.scope.names) == (None, {"read_api"})


def test_a_scope_of_the_user_s_own_is_never_left_out_and_nothing_wrong_is_remembered() -> None:
    """[FC-32] The refusal is the user's own scope: it is raised with the server's words, and the cache stays empty."""
    world = Keycloak()
    with pytest.raises(Refused, match="invalid_scope") as raised:
        log_in(world, "no-such-scope")
    assert all("no-such-scope" in scopes for scopes in asked(world))
    assert "no-such-scope" in raised.value.message
    assert "scope" in raised.value.hint
    assert world.capabilities == {}
    assert log_in(world).scope.names == ALL


def test_only_what_the_issuer_supports_is_added() -> None:
    """[FC-32] `scopes_supported`, where the metadata has it; a scope that was named is asked for all the same."""
    world = Keycloak(supported=["openid", "email"])
    assert log_in(world, "profile").scope.names == {"openid", "email", "profile"}
    assert left_out(world) == []


def test_a_page_that_shows_the_refusal_and_never_comes_back_is_explained_when_time_is_up() -> None:
    """[FC-32]: at GitLab, whose page says it to the user alone."""
    world = of_pages()
    with pytest.raises(TimedOut) as raised:
        log_in(world)
    assert "--exact-scope" in raised.value.hint_with_flags
    assert "offline_access" in raised.value.hint
    with pytest.raises(TimedOut) as raised:
        log_in(of_pages(), exact_scopes=True)
    assert "--exact-scope" not in raised.value.hint_with_flags
    with pytest.raises(TimedOut) as raised:
        log_in(of_pages(), login_command="orders login")
    assert "--exact-scope" not in raised.value.hint, "another program has other flags"


def of_pages() -> ScriptedWorld:
    """An issuer whose browser never comes back."""
    metadata = {
        "issuer": ISSUER,
        "token_endpoint": f"{ISSUER}/token",
        "authorization_endpoint": f"{ISSUER}/authorize",
    }
    return ScriptedWorld({"/realms/staff/.well-known/openid-configuration": [json_response(200, metadata)]})


@pytest.mark.parametrize("scopes", [(), ("openid",), ("openid", "email")])
def test_exact_scopes_are_asked_for_exactly(scopes: tuple[str, ...]) -> None:
    """[FC-32] For example no `offline_access`, which at Keycloak makes a session that outlives the browser's."""
    world = Keycloak()
    assert log_in(world, *scopes, exact_scopes=True).scope.names == set(scopes)
    assert [visit.get("scope", "").split() for visit in world.visits] == [sorted(scopes)]


def test_exact_scopes_that_are_refused_are_not_tried_with_less() -> None:
    """[FC-32]"""
    world = Keycloak(Client(scopes=frozenset({"openid"})))
    with pytest.raises(Refused, match="invalid_scope"):
        log_in(world, "openid", "offline_access", exact_scopes=True)
    assert len(world.visits) == 1


def test_a_password_login_too_is_tried_with_less() -> None:
    """[FC-32]"""
    world = ScriptedWorld({
        "/realms/staff/.well-known/openid-configuration": [
            json_response(200, {"issuer": ISSUER, "token_endpoint": f"{ISSUER}/token"})
        ],
        "/realms/staff/token": [
            json_response(400, {"error": "not_allowed", "error_description": "Offline tokens not allowed"}),
            json_response(200, {"access_token": "at", "token_type": "Bearer"}),
        ],
    })  # fmt: skip
    world.answers = ["pat", "word", "pat", "word"]
    log_in(world, flow="password", allows_password=True)
    forms = [parse_qs(request.body.decode()) for request in world.requests("/realms/staff/token")]
    assert [form["scope"] for form in forms] == [["email offline_access openid profile"], ["email openid profile"]]


def test_a_client_that_must_push_its_request_does_so_once_it_is_told() -> None:
    """[FC-40] Keycloak announces PAR for all, and requires it of single clients, which the metadata does not tell."""
    world = Keycloak(Client(must_push=True))
    assert log_in(world).person == "pat@example.com"
    assert len(world.visits) == 2
    log_in(world)
    assert len(world.visits) == 3, "remembered"
    assert "request_uri" in world.address


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_a_client_that_must_push_logs_in_at_our_own_tenant(wire: Wire) -> None:
    """[FC-40] [FS-22]"""
    config = example_config(TENANT, wire)
    strict = (replace(one, requires_par=True) if one.client_id == "native" else one for one in config.applications)
    scene = Scene(replace(config, applications=tuple(strict)))
    app = App(
        issuer=TENANT,
        client_id="native",
        callbacks=["http://127.0.0.1:8484/callback"],
        flow="browser",
        vault=MemoryVault(),
        world=SceneWorld(scene, lambda _: None),
    )
    assert app.log_in(lambda _: None).person == EMAIL


def test_a_client_that_must_push_and_lacks_a_scope_gives_up_both() -> None:
    """[FC-32] [FC-40]"""
    world = Keycloak(Client(must_push=True, scopes=frozenset({"openid"})))
    assert log_in(world).scope.names == {"openid"}
    assert len(world.visits) == 3


@pytest.mark.parametrize("flow", ["browser", "device"])
def test_a_client_that_must_prove_a_key_is_told_how(flow: str) -> None:
    """[FC-40]"""
    world = Keycloak(Client(must_prove=True))
    with pytest.raises(Refused, match="DPoP proof is missing") as raised:
        log_in(world, flow=flow)
    assert "--dpop" in raised.value.hint_with_flags


def test_a_further_audience_is_taken_where_the_token_was_made_for_us() -> None:
    """[FC-33] Keycloak with an audience mapper; Zitadel adds the project's id to each token."""
    world = Keycloak(replace(Client(), audiences=("cli", "orders-api", "2718281828")))
    assert log_in(world).subject == "pat"

"""What a person types and reads at issuers that refuse a scope, or say little of a login."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.protocol.scope import Scope
from keyfob.run import run
from tests.cli.desk import PAT, Desk, desk
from tests.cli.issuer import as_json, granted, in_turn, issuer, keep_login
from tests.loopback import Loopback, says

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
GONE = as_json(400, error="invalid_grant")
DENIED = says(403, b"no", www_authenticate='Bearer error="insufficient_scope", scope="write:orders"')
ADDED = "email offline_access openid profile"


def asked(server: Loopback) -> list[str]:
    forms = [parse_qs(body.decode()) for _, path, _, body in server.came if path == "/device"]
    return [form.get("scope", [""])[0] for form in forms]


def log_in(desk: Desk, server: Loopback, *more: str) -> str:
    ran = desk.type("login", "--issuer", f"{server.url}/", "--client-id", "cli", "--flow", "device", *more)
    assert ran.code == 0, ran.err
    return ran.err


def test_an_exact_scope_is_asked_for_and_kept_until_another_is_named(desk: Desk) -> None:
    """[FC-32]"""
    with issuer() as server:
        log_in(desk, server, "--exact-scope", "--scope", "read:orders")
        log_in(desk, server)
        log_in(desk, server, "--scope", "read:items")
        log_in(desk, server, "--exact-scope")
    assert asked(server) == ["read:orders", "read:orders", f"{ADDED} read:items", "read:items"]


def test_a_scope_that_is_left_out_is_said_once_and_remembered(desk: Desk) -> None:
    """[FC-32]"""
    refusal = as_json(400, error="invalid_scope", error_description="Invalid scopes: all of them")
    codes = as_json(200, device_code="d", user_code="WDJB-MJHT", verification_uri="https://x.example/", expires_in=600)
    with issuer(device=in_turn(refusal, codes)) as server:
        said = log_in(desk, server)
        again = log_in(desk, server)
    assert "trying without those that were added by default: email, offline_access, profile" in said
    assert "trying without" not in again
    assert asked(server) == [ADDED, "openid", "openid"]


def test_a_person_whose_name_is_not_known_is_not_called_by_the_client_s(desk: Desk) -> None:
    """[FC-41]"""
    with issuer() as server:
        said = log_in(desk, server)
    assert f"logged in at {server.url}/" in said
    assert "logged in as" not in said


def test_a_refusal_that_is_not_the_end_of_the_login_is_not_said_to_be_one(desk: Desk) -> None:
    """[FC-41]"""
    with issuer(as_json(401, error="invalid_client")) as server:
        desk.save(f"{server.url}/")
        ran = desk.type("status", "--online", "--json")
        assert (ran.code, ran.members()["state"], ran.members()["asked"]) == (0, "logged-in", True)
        assert isinstance(ran.members()["problem"], dict)
        assert desk.type("token").out == "at-1\n"


def test_a_token_that_is_not_for_the_issuer_s_own_endpoint_is_not_a_dead_one(desk: Desk) -> None:
    """[FC-41]: 403 `insufficient_scope`, as at Keycloak for a login without `openid`."""
    with issuer(userinfo=as_json(403, error="insufficient_scope")) as server:
        desk.save(f"{server.url}/", refresh_token=None, scope=Scope.of(["openid"]), subject=PAT)
        ran = desk.type("status", "--online", "--json")
    assert (ran.code, ran.members()["state"]) == (0, "logged-in")


def test_a_login_that_has_ended_is_told_from_its_access_token(desk: Desk) -> None:
    """[FC-41]"""
    with issuer(GONE) as server:
        desk.save(f"{server.url}/")
        ran = desk.type("status", "--online")
        token = desk.type("token")
    assert ran.code == 4
    assert "the login has ended; its access token may be valid until" in ran.out
    assert token.out == "at-1\n"


def test_a_scope_that_was_asked_for_and_not_granted_is_not_asked_for_again(desk: Desk) -> None:
    """[FC-41]: the same command would end in the same way."""
    with issuer(granted(scope="read:orders"), orders=DENIED) as server:
        keep_login(server, "read:orders")
        hint = desk.type("call", f"{server.url}/orders").err
        assert "keyfob login --scope" in hint

        profile = ProfileFiles().load("default")
        assert profile is not None
        ProfileFiles().save(replace(profile, scope=Scope.of(["read:orders", "write:orders"])))
        assert run(FileVault().load("default")) is not None
        again = desk.type("call", f"{server.url}/orders").err
    assert "did not grant it" in again
    assert "keyfob login --scope" not in again

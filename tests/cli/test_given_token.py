"""`keyfob login --with-token`, `--add-scope` and `--clipboard`, and `keyfob token --header`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.io import quick
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.run import run
from tests.cli.desk import Desk, desk
from tests.cli.issuer import issuer

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
KEY = SigningKey.generate("ES256")


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def given(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return given


def jwt(**claims: object) -> str:
    at = int(datetime.now(UTC).timestamp())
    return sign({"exp": at + 600, "sub": "robot", "scope": "read:orders", **claims}, KEY, token_type="JWT").reveal()


def test_a_token_from_elsewhere_is_a_login_that_ends_with_it(desk: Desk, stdin: Callable[[str], None]) -> None:
    with issuer() as server:
        token = jwt(iss=f"{server.url}/")
        stdin(f"{token}\n")
        ran = desk.type("login", f"{server.url}/", "cli", "--with-token")
        assert (ran.code, token in ran.out + ran.err) == (0, False), ran.err
    assert desk.type("token").out == f"{token}\n"
    stored = run(FileVault(desk.home).load("default"))
    assert stored is not None
    assert (stored.refresh_token, stored.subject, stored.scope.write()) == (None, "robot", "read:orders")
    assert stored.expires_at is not None
    assert timedelta(minutes=9) < stored.expires_at - datetime.now(UTC) < timedelta(minutes=11)
    assert {path for _, path, _, _ in server.came} == {"/.well-known/openid-configuration"}


def test_what_token_json_prints_can_be_given(desk: Desk, stdin: Callable[[str], None]) -> None:
    with issuer() as server:
        stdin(json.dumps({"access_token": "opaque", "expires_at": "2099-01-01T00:00:00Z", "scope": "a b"}))
        assert desk.type("login", f"{server.url}/", "cli", "--with-token", "--json").code == 0
    stored = run(FileVault(desk.home).load("default"))
    assert stored is not None
    assert (stored.access_token.reveal(), stored.scope.write()) == ("opaque", "a b")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", 2),
        ("two words", 2),
        ("token\nand-another", 2),
        ("tøken", 2),
        ("x" * 70_000, 2),
        ("{", 2),
        ('{"refresh_token": "hunter2"}', 2),
        ('{"access_token": "hunter2", "refresh_token": "rt"}', 2),
        ('{"access_token": "hunter2", "token_type": "DPoP"}', 2),
        ('{"access_token": "hunter2", "expires_at": "soon"}', 2),
        ('{"access_token": "hunter2", "expires_at": "2001-01-01T00:00:00Z"}', 3),
        (jwt(exp=1), 3),
        (jwt(iss="https://other.example/"), 3),
        (jwt(aud="https://other.example"), 3),
        (jwt(cnf={"jkt": "x"}), 2),
        (jwt(exp="soon"), 2),
    ],
)
def test_what_is_no_token_for_this_login_is_refused_and_not_repeated(
    desk: Desk, stdin: Callable[[str], None], given: str, code: int
) -> None:
    with issuer() as server:
        stdin(given)
        words = ("login", f"{server.url}/", "cli", "--audience", "https://api.example", "--with-token")
        ran = desk.type(*words)
    assert ran.code == code, ran.err
    assert "hunter2" not in ran.out + ran.err
    assert run(FileVault(desk.home).load("default")) is None


def test_a_token_of_another_person_does_not_replace_a_login_and_is_not_revoked(
    desk: Desk, stdin: Callable[[str], None]
) -> None:
    with issuer() as server:
        desk.save(f"{server.url}/")
        stdin(jwt())
        ran = desk.type("login", "--with-token")
        assert (ran.code, "--switch-account" in ran.err) == (3, True), ran.err
        assert desk.type("token").out == "at-1\n"
        assert "/revoke" not in {path for _, path, _, _ in server.came}


def test_a_terminal_is_not_asked_for_a_token(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.TextIOWrapper(io.BytesIO(b"token\n"))
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", screen)
    ran = desk.type("login", "https://x.example/", "cli", "--with-token")
    assert (ran.code, "stdin" in ran.err) == (2, True)


def test_a_scope_is_added_to_those_of_the_login(desk: Desk) -> None:
    with issuer() as server:
        desk.save(f"{server.url}/")
        assert desk.type("login", "--flow", "device", "--add-scope", "write:orders").code == 0
        profile = ProfileFiles().load("default")
        assert profile is not None
        assert profile.scope.write() == "read:orders write:orders"
        assert desk.type("login", "--scope", "a", "--add-scope", "b").code == 2


@pytest.mark.usefixtures("plain_environment")
def test_the_header_is_printed_whole_also_by_the_quick_path(desk: Desk) -> None:
    desk.save("https://x.example/")
    assert desk.type("token", "--header").out == "Authorization: Bearer at-1\n"
    assert quick.look_up(["token", "--header"]) == "Authorization: Bearer at-1"
    assert quick.look_up(["token", "--profile", "default", "--header"]) == "Authorization: Bearer at-1"
    assert quick.look_up(["token"]) == "at-1"
    assert desk.type("token", "--header", "--json").code == 2


def test_a_bound_token_has_no_header_that_would_do(desk: Desk) -> None:
    stored = desk.save("https://x.example/")
    run(FileVault(desk.home).save("default", replace(stored, token_type="DPoP")))
    ran = desk.type("token", "--header")
    assert (ran.code, ran.out) == (3, "")

"""The first login, and a profile that is not there: what a person types, is asked and is told."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from keyfob.cli.serving import _introduction
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.serve import Tenant, ready_config
from tests.cli.desk import Desk, desk
from tests.cli.issuer import issuer

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A terminal at which somebody types this."""

    def typed(text: str) -> None:
        screen = io.TextIOWrapper(io.BytesIO(text.encode()))
        monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(sys, "stdin", screen)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    return typed


def test_an_issuer_and_a_client_id_are_two_words(desk: Desk) -> None:
    """[FC-23]: it said that there are too many arguments."""
    with issuer() as server:
        ran = desk.type("login", f"{server.url}/", "cli", "--flow", "device")
        profile = ProfileFiles().load("default")
    assert (ran.code, profile and (profile.issuer, profile.client_id)) == (0, (f"{server.url}/", "cli"))


def test_the_client_id_is_asked_for_at_a_terminal(desk: Desk, types: Callable[[str], None]) -> None:
    """[FC-23]: and the one that is known at this issuer is offered."""
    with issuer() as server:
        types("cli\n")
        ran = desk.type("login", f"{server.url}/", "--flow", "device")
        assert ran.code == 0
        assert f"client ID, as registered at {server.url}/: " in ran.err
        types("\n")
        ran = desk.type("login", f"{server.url}/", "--flow", "device", "--profile", "work")
        assert ran.code == 0
        assert "[cli]" in ran.err
        profile = ProfileFiles().load("work")
        assert profile is not None
        assert profile.client_id == "cli"


def test_without_a_terminal_a_missing_client_id_is_said_with_the_line_to_type(desk: Desk) -> None:
    """[FC-23]."""
    ran = desk.type("login", "auth0:acme.eu", "--profile", "work")
    assert (ran.code, ran.out) == (2, "")
    assert "Run: keyfob login auth0:acme.eu CLIENT_ID --profile work" in ran.err


def test_what_is_said_twice_is_refused(desk: Desk) -> None:
    """[FC-23]."""
    assert desk.type("login", "https://a.example/", "--issuer", "https://b.example/").code == 2
    assert desk.type("login", "https://a.example/", "cli", "--client-id", "other").code == 2


def test_serve_prints_a_login_of_two_words(desk: Desk) -> None:
    """[FC-23]."""
    tenant = Tenant.in_memory(ready_config("http://127.0.0.1:8790/"))
    assert "  keyfob login http://127.0.0.1:8790/ keyfob-cli\n" in _introduction(tenant, desk.home)


@pytest.mark.parametrize("command", ["token", "whoami", "status", "run -- env"])
def test_a_profile_that_is_not_there_is_named_with_those_that_are(desk: Desk, command: str) -> None:
    """[FC-11]: the hint dropped the profile, and following it logged in `default`."""
    desk.save("http://127.0.0.1:9/", "work")
    name, _, rest = command.partition(" ")
    ran = desk.type(name, "--profile", "nope", *rest.split())
    assert ran.code == 4
    assert "nope" in ran.err
    assert "keyfob login URL CLIENT_ID --profile nope" in ran.err
    assert "work" in ran.err


@pytest.mark.parametrize("flag", ["--issuer", "--client-id", "--audience", "--scope", "--profile", "--ca", "--realm"])
def test_an_empty_flag_is_refused(desk: Desk, flag: str) -> None:
    """[FC-27]: it meant the last issuer."""
    with issuer() as server:
        desk.save(f"{server.url}/")
        ran = desk.type("login", "--flow", "device", flag, "")
        assert (ran.code, server.came) == (2, [])
    assert f"{flag} is empty" in ran.err


def test_another_issuers_login_is_replaced_only_after_a_word(desk: Desk, types: Callable[[str], None]) -> None:
    """[FC-05]: the first login was destroyed without one."""
    with issuer() as server:
        desk.save("http://127.0.0.1:9/")
        types("n\n")
        ran = desk.type("login", f"{server.url}/", "cli", "--flow", "device")
        assert (ran.code, server.came) == (2, [])
        assert "contains the login of pat@example.com at http://127.0.0.1:9/; replace it?" in ran.err
        assert "--profile NAME" in ran.err
        assert desk.type("token").out == "at-1\n"
        types("y\n")
        assert desk.type("login", f"{server.url}/", "cli", "--flow", "device").code == 0


def test_without_a_terminal_a_login_says_what_it_replaces(desk: Desk) -> None:
    """[FC-05]."""
    with issuer() as server:
        desk.save("http://127.0.0.1:9/")
        ran = desk.type("login", f"{server.url}/", "cli", "--flow", "device")
        assert (ran.code, "which the new login replaces" in ran.err) == (0, True)
        desk.save("http://127.0.0.1:9/")
        ran = desk.type("login", f"{server.url}/", "cli", "--flow", "device", "--json")
        assert ran.events()[0] == {"event": "replaces", "issuer": "http://127.0.0.1:9/", "client_id": "cli"}

"""Where each setting comes from, which way a login would take, and why."""

from datetime import UTC, datetime, timedelta

import pytest

from keyfob.client.io.state_files import CapabilityFiles
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.login_state import ServerCapabilities
from keyfob.login import App, Source
from keyfob.run import run
from tests.cli.desk import Desk, desk
from tests.cli.issuer import issuer

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
NOWHERE = "http://127.0.0.1:9/"


def explained(desk: Desk, *words: str) -> dict[str, dict[str, object]]:
    ran = desk.type("explain", "--json", *words)
    assert ran.code == 0
    return ran.members()  # type: ignore[return-value]


def test_each_setting_comes_with_who_said_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.save(NOWHERE)
    project = desk.says('scope = "a b"\n')
    config = desk.config('dpop = "prefer"\n')
    monkeypatch.setenv("KEYFOB_AUDIENCE", "https://api.example")

    found = explained(desk)["settings"]

    assert found["scope"] == {"value": "a b", "from": "project", "where": str(project)}
    assert found["dpop"] == {"value": "prefer", "from": "config", "where": str(config)}
    assert found["audience"] == {"value": "https://api.example", "from": "environment", "where": "KEYFOB_AUDIENCE"}
    assert found["issuer"] == {"value": NOWHERE, "from": "login", "where": None}
    assert found["profile"] == {"value": "default", "from": "usual", "where": None}


def test_nobody_is_logged_in_and_no_token_is_printed(desk: Desk) -> None:
    with issuer() as server:
        desk.save(f"{server.url}/")
        before = run(FileVault(desk.home).load("default"))
        said = desk.type("explain").out + desk.type("explain", "--json").out

    assert {path for _, path, _, _ in server.came} == {"/.well-known/openid-configuration"}
    assert run(FileVault(desk.home).load("default")) == before
    assert "at-1" not in said


def test_what_the_issuer_refused_before_is_told_until_it_is_stale(desk: Desk) -> None:
    now = datetime.now(UTC)
    desk.save(NOWHERE)
    CapabilityFiles(desk.home).save(
        NOWHERE, "cli", ServerCapabilities({"device": now, "browser": now - timedelta(days=40)})
    )

    assert list(explained(desk)["refused"]) == ["device"]
    assert "refused before: device" in desk.type("explain").out


def test_without_a_network_it_explains_what_it_can(desk: Desk) -> None:
    desk.save(NOWHERE)

    login = explained(desk)["login"]

    problem, reasons = login["problem"], login["reasons"]
    assert isinstance(problem, dict)
    assert isinstance(reasons, list)
    assert problem["code"] == "unreachable"
    assert "the issuer did not respond, so the flows that it supports are unknown" in reasons
    assert len(reasons) == 2  # and what can be seen of the browser


def test_a_way_that_was_said_is_the_way(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.save(NOWHERE)
    monkeypatch.setenv("KEYFOB_FLOW", "paste")

    assert explained(desk)["login"]["ways"] == ["paste"]


def test_a_machine_needs_no_way(desk: Desk) -> None:
    secret = Source("secret", "env", "NIGHTLY_SECRET")
    machine = App(issuer=NOWHERE, client_id="nightly", profile="ci", is_machine=True, credential=secret)
    ProfileFiles(desk.home).save(machine.profile)

    told = explained(desk, "--profile", "ci")

    assert told["login"]["ways"] == ["machine"]
    assert told["settings"]["credential"] == {"value": "secret:env:NIGHTLY_SECRET", "from": "login", "where": None}
    assert told["settings"]["profile"] == {"value": "ci", "from": "flag", "where": "--profile"}


def test_where_tokens_are_kept_comes_with_what_better_places_answer(desk: Desk) -> None:
    store = explained(desk)["store"]

    assert store["place"] is None
    reasons = store["reasons"]
    assert isinstance(reasons, list)
    asked = [reason.split()[0].rstrip(":") for reason in reasons]
    assert asked == ["KEYFOB_STORE", "keyring", "systemd", "kernel", "passphrase"]

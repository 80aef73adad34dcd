"""A login that the storage policy forbids to read can be ended: it is revoked at the issuer before it is forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from keyfob.cli.main import main
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.profile import Profile
from keyfob.errors import VaultUnavailable
from keyfob.login import App, aio
from keyfob.run import run
from keyfob.testing.strict_issuer import StrictIssuer
from tests.cli.issuer import issuer, keep_login

NAME = "default"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_environment: None) -> Path:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def plain_login(home: Path, strict: StrictIssuer) -> None:
    run(FileVault(home, Seals(home)).save(NAME, strict.log_in(Profile(NAME, strict.issuer, "cli"))))


def app_of(home: Path, strict: StrictIssuer, store: str | None = None) -> App:
    return App(issuer=strict.issuer, client_id="cli", profile=NAME, home=home, store=store, world=strict.world())


@pytest.mark.parametrize("is_blocking", [True, False], ids=["blocking", "awaited"])
@pytest.mark.parametrize("is_variable", [True, False], ids=["KEYFOB_STORE", "store="])
def test_the_logout_of_a_program_revokes_a_login_that_it_may_not_use(
    home: Path, monkeypatch: pytest.MonkeyPatch, *, is_blocking: bool, is_variable: bool
) -> None:
    """[FC-14]: the login stays unreadable for everything else."""
    strict = StrictIssuer()
    plain_login(home, strict)
    if is_variable:
        monkeypatch.setenv("KEYFOB_STORE", "require")
    app = app_of(home, strict, None if is_variable else "require")
    with pytest.raises(VaultUnavailable) as refused:
        app.session().token()
    assert refused.value.code == "key-absent"

    done = app.session().log_out() if is_blocking else asyncio.run(aio.App(app).session().log_out())

    assert (done.revoked, done.problem) == (True, "")
    assert strict.families[0].was_revoked
    assert FileVault(home).entries() == []


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_command_revokes_a_login_whose_settings_are_lost(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-14]: the issuer and the client are then taken from the login itself."""
    with issuer() as server:
        keep_login(server)
        for settings in (home / "profiles").glob("*.json"):
            settings.unlink()
        monkeypatch.setenv("KEYFOB_STORE", "require")

        assert main(["logout", "--all"]) == 0

        assert next(body for _, path, _, body in server.came if path == "/revoke").startswith(b"token=rt-1")
    assert FileVault(home).entries() == []

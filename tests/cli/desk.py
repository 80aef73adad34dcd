"""Where `keyfob` is typed in tests: a home and a project of its own, and logins that are kept there."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyfob.cli.main import main
from keyfob.cli.settings import VARIABLES
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.login import App, StoredLogin
from keyfob.protocol.secret import Secret
from keyfob.run import run

PAT = "auth0|pat"


@dataclass
class Ran:
    code: int
    out: str
    err: str

    def members(self) -> dict[str, object]:
        [only] = self.events()
        return only

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]

    def error(self) -> str:
        problem = self.members()["error"]
        assert isinstance(problem, dict)
        return str(problem["code"])


@dataclass
class Desk:
    home: Path
    project: Path
    type: Callable[..., Ran]

    def save(self, issuer: str, name: str = "default", **changed: object) -> StoredLogin:
        """What a login at this issuer would have left behind."""
        profile = App(issuer=issuer, client_id="cli", scopes=["read:orders"], profile=name).profile
        now = datetime.now(UTC)
        stored = StoredLogin(
            issuer=profile.issuer,
            client_id=profile.client_id,
            audience=None,
            token_endpoint=f"{issuer}token",
            revocation_endpoint=f"{issuer}revoke",
            access_token=Secret("at-1"),
            expires_at=now + timedelta(hours=1),
            scope=profile.scope | profile.added_scope,
            obtained_at=now,
            refresh_token=Secret("rt-1"),
            subject=PAT,
            person="pat@example.com",
        )
        stored = replace(stored, **changed)  # type: ignore[arg-type]
        run(FileVault(self.home).save(name, stored))
        ProfileFiles(self.home).save(profile)
        return stored

    def says(self, text: str) -> Path:
        """The project's file."""
        path = self.project / ".keyfob.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        return path

    def config(self, text: str) -> Path:
        """The user's file."""
        path = self.home / "config.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Desk:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir(mode=0o700)
    (project / "src").mkdir(parents=True)
    monkeypatch.chdir(project / "src")
    monkeypatch.setenv("KEYFOB_HOME", str(home))
    for name in (*VARIABLES.values(), "KEYFOB_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Ran:
        code = main(list(words))
        out, err = capsysbinary.readouterr()
        return Ran(code, out.decode(), err.decode())

    return Desk(home, project, run)

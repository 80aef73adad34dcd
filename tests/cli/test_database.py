"""`--database` and KEYFOB_DATABASE of `keyfob serve` and `keyfob tenant`."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyfob.cli.main import main
from tests.postgres import Postgres

SECRET = "hunter2"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEYFOB_DATABASE", raising=False)
    monkeypatch.setenv("KEYFOB_DATA", str(tmp_path / "data"))
    return tmp_path


@pytest.mark.parametrize("command", [["serve"], ["tenant", "users", "list"], ["tenant", "apply", "--dry-run"]])
def test_a_password_in_the_arguments_is_refused(
    command: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tenant", "init"]) == 0
    assert main([*command, "--database", f"postgresql://keyfob:{SECRET}@db.example/keyfob"]) == 2
    told = capsys.readouterr().err
    assert "setting-unsafe" in told
    assert SECRET not in told
    assert not (folder / "data").exists()


def test_a_password_in_the_environment_is_not_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE", f"postgresql://keyfob:{SECRET}@/keyfob?host={folder}")
    monkeypatch.setenv("KEYFOB_DEBUG", "1")
    assert main(["tenant", "users", "list"]) == 8
    told = capsys.readouterr()
    assert "store-unavailable" in told.err
    assert SECRET not in told.err + told.out


def test_a_tenant_is_in_the_database_that_is_named(
    folder: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.new_database(is_empty=True)
    assert main(["tenant", "init"]) == 0
    assert main(["tenant", "users", "list", "--database", url]) == 2
    assert "no tenant in the database" in capsys.readouterr().err
    assert main(["tenant", "apply", "--dry-run", "--database", url]) == 0
    assert main(["tenant", "users", "list", "--database", url]) == 2, "a dry run makes none"
    assert main(["tenant", "apply", "--database", url]) == 0
    monkeypatch.setenv("KEYFOB_DATABASE", url)
    capsys.readouterr()
    assert main(["tenant", "users", "list"]) == 0
    assert "sam@example.com" in capsys.readouterr().out
    assert not (folder / "data" / "tenant.sqlite3").exists()

"""A project's file, which may be a stranger's: whose login it means, and what `keyfob prompt` shows."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.cli.commands.prompt import _text
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.io import prompt_line
from keyfob.run import run
from tests.cli.desk import PAT, Desk, desk
from tests.cli.issuer import issuer

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
AT_X, AT_Y = "https://x.example/", "https://y.example/"


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def typed(text: str) -> None:
        screen = io.TextIOWrapper(io.BytesIO(text.encode()))
        monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(sys, "stdin", screen)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    return typed


def test_a_login_at_an_issuer_that_only_a_projects_file_names_is_not_begun_unasked(desk: Desk) -> None:
    with issuer() as server:
        desk.says(f'issuer = "{server.url}/"\nclient_id = "theirs"\n')
        ran = desk.type("login", "--flow", "device", "--json")
        assert (ran.code, ran.error(), server.came) == (4, "new-issuer", [])
        ran = desk.type("login", "--flow", "device")
        assert (ran.code, server.came) == (4, [])
        assert f"keyfob login {server.url}/" in ran.err


@pytest.mark.parametrize("command", ["explain", "explain --json", "doctor", "status --online", "token", "prompt"])
def test_no_other_command_asks_a_strangers_issuer_for_anything(desk: Desk, command: str) -> None:
    with issuer() as server:
        desk.says(f'issuer = "{server.url}/"\nclient_id = "theirs"\n')
        ran = desk.type(*command.split())
        assert server.came == [], ran.out
    assert (
        command.split(maxsplit=1)[0] not in {"explain", "doctor"}
        or "sends nothing there without your consent" in ran.out
    )


@pytest.mark.parametrize(("typed", "code"), [("n\n", 5), ("\n", 5), ("", 5), ("y\n", 0)])
def test_a_person_is_asked_whether_a_projects_issuer_is_trusted(
    desk: Desk, types: Callable[[str], None], typed: str, code: int
) -> None:
    with issuer() as server:
        desk.says(f'issuer = "{server.url}/"\nclient_id = "cli"\n')
        types(typed)
        ran = desk.type("login", "--flow", "device")
        assert ran.code == code, ran.err
        assert f"{server.url}/" in ran.err
        assert bool(server.came) == (code == 0)
        if code == 0:
            assert "trust" not in desk.type("login", "--flow", "device").err


def test_an_issuer_that_is_typed_needs_no_question(desk: Desk) -> None:
    with issuer() as server:
        desk.says(f'issuer = "{server.url}/"\nclient_id = "cli"\n')
        assert desk.type("login", f"{server.url}/", "--flow", "device").code == 0


@pytest.mark.parametrize("command", ["token", "whoami", "status", "run -- env", "call https://y.example/"])
def test_another_issuer_than_the_pinned_one_is_a_loud_mismatch_and_no_token_is_used(desk: Desk, command: str) -> None:
    desk.save(AT_X)
    path = desk.says(f'issuer = "{AT_Y}"\n')
    name, _, rest = command.partition(" ")
    ran = desk.type(name, *rest.split())
    assert ran.code in {1, 4, 7}, ran.err
    assert "at-1" not in ran.out + ran.err
    if name != "call":
        assert str(path) in ran.err
        assert AT_X in ran.err
        assert AT_Y in ran.err


def test_the_profile_that_the_file_means_is_named_if_there_is_one(desk: Desk) -> None:
    desk.save(AT_X)
    desk.save(AT_Y, "work")
    desk.says(f'issuer = "{AT_Y}"\n')
    assert "--profile work" in desk.type("token").err
    desk.says(f'issuer = "{AT_Y}"\nprofile = "work"\n')
    assert desk.type("token").out == "at-1\n"


def test_status_shows_what_pins_the_login(desk: Desk) -> None:
    desk.save(AT_X)
    path = desk.says(f'issuer = "{AT_X}"\nsubject = "{PAT}"\n')
    assert f"issuer, subject, set by {path}" in desk.type("status").out
    assert desk.type("status", "--json").members()["pinned"] == {"issuer": AT_X, "subject": PAT}
    path.unlink()
    assert desk.type("status", "--json").members()["pinned"] == {}


def _quick() -> str | None:
    try:
        return prompt_line.look_up()
    except (OSError, ValueError):
        return None


@pytest.mark.usefixtures("plain_environment")
def test_the_prompt_says_who_is_logged_in_and_the_quick_path_says_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (desk.type("prompt").out, _quick()) == ("", "")
    desk.save(AT_X)
    assert _quick() is None
    assert (desk.type("prompt").out, _quick()) == ("pat@example.com\n", "pat@example.com")
    desk.save(AT_Y, "work", person="kim@example.com")
    monkeypatch.setenv("KEYFOB_PROFILE", "work")
    assert _quick() is None
    assert (desk.type("prompt").out, _quick()) == ("work:kim@example.com\n", "work:kim@example.com")
    monkeypatch.delenv("KEYFOB_PROFILE")
    assert _quick() == "pat@example.com"
    assert desk.type("switch", "work").code == 0
    assert _quick() is None
    assert desk.type("prompt").out == "work:kim@example.com\n"


@pytest.mark.usefixtures("plain_environment")
def test_a_prompt_is_void_when_the_login_or_the_file_changes(desk: Desk) -> None:
    desk.save(AT_X)
    path = desk.says(f'subject = "{PAT}"\n')
    assert (desk.type("prompt").out, _quick()) == ("pat@example.com\n", "pat@example.com")
    path.write_text('subject = "auth0|somebody"\n', encoding="utf-8")
    assert _quick() is None
    assert (desk.type("prompt").out, _quick()) == ("WRONG ACCOUNT\n", "WRONG ACCOUNT")
    path.write_text(f'issuer = "{AT_Y}"\n', encoding="utf-8")
    assert desk.type("prompt").out == "WRONG ACCOUNT\n"
    path.write_text(f'issuer = "{AT_X}"\n', encoding="utf-8")
    assert desk.type("prompt").out == "pat@example.com\n"
    run(FileVault(desk.home).delete("default"))
    assert _quick() is None
    assert (desk.type("prompt").out, _quick()) == ("logged out\n", "logged out")


@pytest.mark.usefixtures("plain_environment")
def test_a_login_that_cannot_be_renewed_ends_in_the_prompt_on_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.save(AT_X, refresh_token=None, expires_at=datetime.now(UTC) + timedelta(minutes=5))
    desk.says(f'issuer = "{AT_X}"\n')
    assert desk.type("prompt").out == "pat@example.com\n"
    assert _quick() == "pat@example.com"
    later = prompt_line.time.time() + 301
    monkeypatch.setattr(prompt_line.time, "time", lambda: later)
    assert _quick() == "logged out"
    monkeypatch.setattr(prompt_line.time, "time", lambda: later - 3600)
    assert _quick() is None


@pytest.mark.usefixtures("plain_environment")
@pytest.mark.parametrize("name", ["KEYFOB_ISSUER", "KEYFOB_CLIENT_ID", "KEYFOB_AGENT", "KEYFOB_NEW"])
def test_the_quick_prompt_steps_aside_for_a_variable_that_could_change_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    desk.save(AT_X)
    assert desk.type("prompt").code == 0
    monkeypatch.setenv(name, "/x")
    assert _quick() is None


def test_an_unusable_file_and_a_damaged_vault_are_said_and_break_no_prompt(desk: Desk) -> None:
    desk.save(AT_X)
    path = desk.says("issuer = 7\n")
    ran = desk.type("prompt")
    assert (ran.code, ran.out, ran.err) == (0, "UNUSABLE .keyfob.toml\n", "")
    path.unlink()
    (desk.home / "vault" / "default.json").write_bytes(b"{")
    ran = desk.type("prompt")
    assert (ran.code, ran.out, ran.err) == (0, "locked\n", "")


@given(st.text())
def test_nothing_that_a_server_calls_a_person_can_run_in_a_prompt(person: str) -> None:
    shown = _text("default", person)
    assert len(shown) <= 60
    assert shown.isascii()
    assert not set(shown) & set("%$`\\!\n\r\x1b\"'(){}[]<>;&*?~^#") - {"?"}


@pytest.mark.usefixtures("plain_environment")
@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_the_prompts_file_is_private_and_there_are_not_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.save(AT_X)
    monkeypatch.setattr(prompt_line, "_MOST_FILES", 3)
    for number in range(7):
        folder = desk.project / str(number)
        folder.mkdir()
        (folder / ".keyfob.toml").write_text(f'issuer = "{AT_X}"\n', encoding="utf-8")
        monkeypatch.chdir(folder)
        assert desk.type("prompt").out == "pat@example.com\n"
    kept = list((desk.home / "prompt").iterdir())
    assert 0 < len(kept) <= 3
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
    kept[0].chmod(0o644)
    for path in kept[1:]:
        path.unlink()
    assert all("at-1" not in path.read_text() for path in Path(desk.home / "prompt").iterdir())

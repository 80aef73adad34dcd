"""`keyfob tenant log`, `backup` and `restore`, as an operator types them; what commands change is in the audit log."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyfob.cli.main import main
from keyfob.server.audit_event import write_event
from keyfob.server.io.audit import FILE_NAME
from keyfob.server.io.operator import operator
from tests.cli.desk import Ran

PASSWORD = "correct horse battery"
TOML = """
[tenant]
name = "Example"

[[applications]]
client_id = "cli"
name = "CLI"
"""
Keyfob = Callable[..., Ran]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def keyfob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyfob:
    """`keyfob tenant` in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEYFOB_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    Path("tenant.toml").write_text(TOML, encoding="utf-8")

    def run(*words: str, typed: str = "", at_terminal: bool = False) -> Ran:
        with monkeypatch.context() as patched:
            screen = Terminal()
            if at_terminal:
                patched.setattr("sys.stdout", screen)
            patched.setattr("sys.stdin", io.StringIO(typed))
            code = main(["tenant", *words])
        out, err = capsys.readouterr()
        return Ran(code, screen.getvalue() or out, err)

    assert run("apply").code == 0
    assert run("users", "add", "pat@example.com", typed=f"{PASSWORD}\n").code == 0
    return run


def add_events(*events: tuple[str, timedelta, dict[str, str]]) -> None:
    """Write events to the file, as a tenant does: code, how long ago, and members."""
    now = datetime.now(UTC)
    lines = [json.dumps(write_event(code, now - ago, code, members)) for code, ago, members in events]
    with Path("data", FILE_NAME).open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_what_a_command_changes_is_in_the_log_with_who_did_it(keyfob: Keyfob) -> None:
    """[FS-18]: whatever the log of the running tenant is, since it is written with the change itself."""
    Path("tenant.toml").write_text(TOML.replace('"CLI"', '"Other"'), encoding="utf-8")
    keyfob("apply")
    keyfob("apply")  # changes nothing
    keyfob("users", "password", "pat@example.com", typed="another horse battery\n")
    keyfob("users", "block", "pat@example.com")
    keyfob("users", "unblock", "pat@example.com")
    keyfob("users", "remove", "pat@example.com", "--yes")
    events = keyfob("log").events()
    assert {event["operator"] for event in events} == {operator()}
    told = [(event["type"], event.get("description"), event.get("user_name")) for event in events]
    pat = "pat@example.com"
    assert told[-6:] == [
        ("ss", None, pat),
        ("sapi", "application cli changed", None),
        ("scp", None, pat),
        ("sapi", "user blocked", pat),
        ("sapi", "user unblocked", pat),
        ("sdu", None, pat),
    ]
    assert ("sapi", "application cli added", None) in told
    assert PASSWORD not in json.dumps(events)
    assert "horse" not in json.dumps(events)


def test_a_change_that_is_refused_leaves_no_event(keyfob: Keyfob) -> None:
    """[FS-18]: the event is in the same transaction."""
    before = keyfob("log").out
    assert keyfob("users", "add", "pat@example.com", typed=f"{PASSWORD}\n").code != 0
    assert keyfob("users", "remove", "nobody@example.com", "--yes").code != 0
    assert keyfob("log").out == before


def test_the_log_is_selected_by_time_code_and_person(keyfob: Keyfob) -> None:
    """[FS-18]: a person by e-mail too where an event has only the user_id."""
    [pat] = [event for event in keyfob("log", "--type", "ss").events() if event["user_name"] == "pat@example.com"]
    user_id = str(pat["user_id"])
    add_events(
        ("s", timedelta(days=3), {"user_id": user_id}),
        ("fp", timedelta(hours=2), {"user_name": "Pat@example.com", "ip": "192.0.2.7"}),
        ("fu", timedelta(minutes=2), {"user_name": "sam@example.com"}),
    )

    def types(*words: str) -> list[object]:
        return [event["type"] for event in keyfob("log", *words).events()]

    assert types("--since", "3h", "--type", "fp", "--type", "fu", "--type", "s") == ["fp", "fu"]
    assert types("--since", "10m", "--type", "fu", "--type", "fp") == ["fu"]
    assert types("--user", "pat@example.com") == ["s", "fp", "ss"]
    assert types("--user", user_id) == ["s", "ss"]
    assert keyfob("log", "--type", "nonsense").code == 2
    assert keyfob("log", "--since", "yesterday").code == 2
    assert keyfob("log", "--file", "nowhere").code == 2


def test_a_terminal_gets_one_coloured_line_an_event_and_a_pipe_gets_json(keyfob: Keyfob) -> None:
    """[FS-18]: and nothing that a caller sent can do anything to the terminal."""
    add_events(("fp", timedelta(), {"user_name": "pat@example.com", "client_id": "cli", "ip": "192.0.2.7"}))
    path = Path("data", FILE_NAME)
    path.write_text(path.read_text().replace("192.0.2.7", "\\u001b[2J192.0.2.7"), encoding="utf-8")
    line = keyfob("log", "--type", "fp", at_terminal=True).out
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \x1b\[31mfp +\x1b\[0m  A wrong password, or the correct one of a blocked user"
        r"  \[pat@example\.com, cli, [^\x1b]*192\.0\.2\.7\]\n",
        line,
    )
    [event] = keyfob("log", "--type", "fp", "--json", at_terminal=True).events()
    assert event == keyfob("log", "--type", "fp").members()


def test_no_color_is_obeyed(keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in keyfob("log", at_terminal=True).out


def test_a_backup_is_made_and_restored_by_commands(keyfob: Keyfob) -> None:
    """[FS-18]: both are in the log; and the restored tenant has its people, settings and log."""
    made = keyfob("backup", "b.tar")
    assert made.code == 0
    assert "It does not contain the master key" in made.err
    assert keyfob("restore", "b.tar", "--data", "new").code == 2, "without the master key"
    assert not Path("new").exists()

    assert keyfob("backup", "k.tar", "--with-key", "--json").members()["has_master_key"] is True
    assert keyfob("restore", "k.tar", "--data", "new").code == 0
    assert [one["email"] for one in keyfob("users", "list", "--json", "--data", "new").events()] == ["pat@example.com"]
    assert keyfob("export", "--data", "new").out == keyfob("export").out
    told = [event.get("description") for event in keyfob("log", "--type", "sapi").events()]
    assert told[-2:] == ["backup", "backup with the master key"]
    [*_, last] = keyfob("log", "--type", "sapi", "--data", "new").events()
    assert str(last["description"]).startswith("restored a backup of 20")

    assert keyfob("restore", "k.tar").code == 2, "the folder is in use"
    assert keyfob("backup", "k.tar").code == 2, "there already"
    assert keyfob("backup", "nowhere/k.tar").code == 2


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_a_database_server_makes_its_own_backups(keyfob: Keyfob, verb: str) -> None:
    """[FS-18]: nothing is asked of it, and no file is made."""
    ran = keyfob(verb, "b.tar", "--database", "postgresql://somebody@127.0.0.1:9/tenant")
    assert ran.code == 2
    assert "pg_dump" in ran.err
    assert not Path("b.tar").exists()

"""`keyfob tenant keys` and `keyfob tenant logins`, as an administrator types them."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyfob.cli.main import main
from keyfob.serve import Tenant, ready_config
from keyfob.server.io.master_key import find_master_key
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.io.stores import DATABASE
from keyfob.server.ports import Transaction
from keyfob.server.records import LoggedEvent
from keyfob.testing.example_records import REFRESH, SESSION, USER

PAT = replace(USER, email="pat@example.com")
OTHER = replace(USER, user_id="auth0|2", email="other@example.com")


@dataclass
class Ran:
    code: int
    out: str
    err: str

    def objects(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Desk:
    data: Path
    type: Callable[[str], Ran]

    def audited(self) -> list[dict[str, object]]:
        """Return what the commands have added to the table of the audit log."""
        store = SqliteStore(self.data / DATABASE)

        async def run() -> tuple[LoggedEvent, ...]:
            found = await store.read(lambda transaction: transaction.logged_events(0, 100))
            await store.close()
            return found

        return [json.loads(event.event) for event in asyncio.run(run())]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A tenant that has run, with keys outside its folder."""
    data = tmp_path / "data"
    monkeypatch.setenv("KEYFOB_DATA", str(data))
    monkeypatch.setenv("KEYFOB_KEYS", str(tmp_path / "keys"))
    master = find_master_key(data).key
    Tenant.follow(data, ready_config("http://127.0.0.1:8790/"), master=master).close()
    capsys.readouterr()

    def run(line: str) -> Ran:
        code = main(["tenant", *shlex.split(line)])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return Desk(data, run)


def test_a_key_is_announced_and_listed_with_its_times(desk: Desk) -> None:
    [old] = desk.type("keys list --json").objects()
    assert (old["algorithm"], old["stage"], old["retired_at"]) == ("RS256", "signing", None)

    done = desk.type("keys rotate --json").objects()
    assert [one["stage"] for one in done] == ["signing", "announced"]
    assert done[0]["retired_at"] == done[1]["signs_at"]
    assert desk.type("keys list --json").objects() == done
    again = desk.type("keys rotate")
    assert "already announced" in again.err
    assert "announced " in again.out
    [event] = desk.audited()
    assert (event["type"], event["description"]) == ("sapi", "signing keys: the next ones are announced")


def test_in_an_emergency_the_next_key_signs_at_once_and_it_is_said_what_breaks(desk: Desk) -> None:
    done = desk.type("keys rotate --now")
    assert done.code == 0
    assert "refuse new tokens until they fetch the keys again" in done.err
    assert [one["stage"] for one in desk.type("keys list --json").objects()] == ["retired", "signing"]


@pytest.mark.parametrize(
    ("flags", "survives"), [("", True), ("--cache 1d", True), ("--cache 7d", False), ("--now", False)]
)
def test_a_rehearsal_shows_the_dates_and_changes_nothing(desk: Desk, flags: str, survives: bool) -> None:
    before = desk.type("keys list --json").out
    *steps, verdict = desk.type(f"keys rehearse --json {flags}").objects()
    assert verdict["survives"] is survives
    assert sorted(str(step["stage"]) for step in steps) == ["announced", "gone", "retired", "signing"]
    assert desk.type("keys list --json").out == before
    shown = desk.type(f"keys rehearse {flags}")
    assert ("has each key before it signs" in shown.err) is survives


def test_a_revoked_key_is_gone_and_another_signs(desk: Desk) -> None:
    [old] = desk.type("keys list --json").objects()
    refused = desk.type(f"keys revoke {old['kid']}")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert desk.type(f"keys revoke {old['kid']} --yes").code == 0
    [new] = desk.type("keys list --json").objects()
    assert new["stage"] == "signing"
    assert new["kid"] != old["kid"]
    assert desk.type(f"keys revoke {old['kid']} --yes").code == 2


def test_the_master_key_moves_to_a_file_that_is_made(desk: Desk, tmp_path: Path) -> None:
    [was] = (tmp_path / "keys").iterdir()
    file = tmp_path / "new.key"
    done = desk.type(f"keys rewrap --to file:{file} --grace 0s --json")
    assert done.objects() == [{"master_key": f"file:{file}", "encrypted_anew": 1, "former_until": None}]
    assert file.read_text().strip() not in done.out + done.err
    assert desk.type("keys list").code != 0
    assert desk.type(f"keys list --master-key file:{file}").code == 0
    assert was.exists()
    assert desk.type(f"keys rewrap --master-key file:{file} --to file:{file}").code == 2


def test_a_key_beside_the_database_moves_out(desk: Desk, tmp_path: Path) -> None:
    """What `keyfob serve` says at its start about an older tenant."""
    [file] = (tmp_path / "keys").iterdir()
    beside = desk.data / "master.key"
    beside.write_bytes(bytes.fromhex(file.read_text().strip()))
    beside.chmod(0o600)
    file.unlink()
    done = desk.type("keys rewrap")
    assert done.code == 0
    assert "is accepted until" in done.err
    assert desk.type("keys list").code == 0
    beside.unlink()
    assert desk.type("keys list").code == 0
    assert desk.type("keys rewrap").code == 2


def fill(desk: Desk) -> None:
    store, now = SqliteStore(desk.data / DATABASE), datetime.now(UTC)

    async def save(transaction: Transaction) -> None:
        for user in (PAT, OTHER):
            await transaction.save_user(user)
        for number, (user_id, client_id) in enumerate([("auth0|1", "cli"), ("auth0|1", "web"), ("auth0|2", "cli")]):
            name, end = bytes([number]) * 16, now + timedelta(days=1)
            await transaction.save_refresh(
                replace(REFRESH, login_id=name, user_id=user_id, client_id=client_id, created_at=now, expires_at=end,
                        idle_expires_at=end, network="192.0.2.7", used_at=now)
            )  # fmt: skip
        await transaction.save_session(
            replace(SESSION, session_hash=b"s" * 32, user_id="auth0|1", created_at=now, seen_at=now)
        )

    async def run() -> None:
        await store.write(save)
        await store.close()

    asyncio.run(run())


def test_logins_are_listed_by_user_and_application(desk: Desk) -> None:
    assert "there are no logins" in desk.type("logins list").err
    fill(desk)
    every = desk.type("logins list --json").objects()
    assert sorted(str(one["kind"]) for one in every) == ["refresh", "refresh", "refresh", "session"]
    [other] = desk.type("logins list --user other@example.com --json").objects()
    assert (other["email"], other["client_id"], other["network"]) == ("other@example.com", "cli", "192.0.2.7")
    assert other["device"] == "pats-laptop"
    assert len(desk.type("logins list --app cli --json").objects()) == 2
    assert len(desk.type("logins list --limit 1 --json").objects()) == 1
    shown = desk.type("logins list --user other@example.com").out
    assert re.search(r"^(02){16} +refresh +other@example.com +cli ", shown, re.MULTILINE)


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ("02" * 16, 3), ((b"s" * 32).hex(), 3), ("--user PAT@example.com --yes", 1), ("--app cli --yes", 2),
        ("--user pat@example.com --app web --yes", 3), ("--all --yes", 0),
    ],
)  # fmt: skip
def test_logins_end_one_by_one_or_together_and_it_is_audited(desk: Desk, which: str, left: int) -> None:
    fill(desk)
    done = desk.type(f"logins end {which} --json")
    assert done.objects() == [{"ended": 4 - left}]
    assert len(desk.type("logins list --json").objects()) == left
    [event] = desk.audited()
    assert event["type"] == "sapi"


@pytest.mark.parametrize(
    "line", ["end", "end --all --app cli --yes", "end 00", "end xyz", "end --user nobody@x.yz --yes"]
)
def test_what_names_no_login_is_refused(desk: Desk, line: str) -> None:
    fill(desk)
    assert desk.type(f"logins {line}").code == 2
    assert len(desk.type("logins list --json").objects()) == 4


def test_all_are_ended_only_with_a_yes(desk: Desk) -> None:
    fill(desk)
    assert desk.type("logins end --all").code == 2
    assert len(desk.type("logins list --json").objects()) == 4

"""What lies around a stored login: policy, locks, names, damage, passphrases and temporary files."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyfob.cli.main import main
from keyfob.client.io.vault import key_passphrase, lock
from keyfob.client.io.vault.files import sweep
from keyfob.client.io.vault.lock import locked
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.notices import VaultNote
from keyfob.client.model.storage_choice import Note
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import VaultUnavailable
from keyfob.io import quick
from keyfob.protocol.http import Response
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.fake_key_storage import FakeKeyStorage, FakeKeyStorages
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import ScriptedWorld
from tests.cli.issuer import issuer, keep_login
from tests.client.blocking import Session
from tests.client.scripts import PROFILE, stored, tokens

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks and their holders are POSIX here")
KEY = b"k" * 32


def alive() -> StoredLogin:
    now = datetime.now(UTC)
    return replace(stored(), obtained_at=now, expires_at=now + timedelta(hours=1))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_environment: None) -> Path:
    """A home with a login in a plain file."""
    found = tmp_path / "home"
    monkeypatch.setenv("KEYFOB_HOME", str(found))
    monkeypatch.chdir(tmp_path)
    ProfileFiles().save(PROFILE)
    run(FileVault(found, Seals(found)).save("default", alive()))
    return found


def until(is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not is_so() and time.monotonic() < end:
        threading.Event().wait(0.01)
    return is_so()


@pytest.mark.parametrize("words", [("token",), ("whoami",), ("status",), ("call", "https://api.example/x")], ids=str)
def test_every_command_holds_to_what_is_required(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """[FC-14]"""
    monkeypatch.setenv("KEYFOB_STORE", "require")

    assert main(list(words)) == 8

    said = capsys.readouterr()
    assert "at-1" not in said.out
    assert "keyfob vault move" in said.err


def test_the_short_way_holds_to_what_is_required(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-14]: neither the token in the quick file, nor the one in a plain vault entry."""
    for is_quick in (True, False):
        monkeypatch.setenv("KEYFOB_STORE", "file")
        Seals().set_quick(is_quick=is_quick)
        run(FileVault(home, Seals()).save("default", alive()))
        FileVault(home, Seals()).make_quick("default")
        assert quick.look_up(["token"]) == "at-1"
        monkeypatch.setenv("KEYFOB_STORE", "require")
        assert quick.look_up(["token"]) is None


def test_where_sealing_is_required_no_token_lies_in_the_quick_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_environment: None
) -> None:
    """[FC-14]"""
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    monkeypatch.setenv("KEYFOB_STORE", "require")
    monkeypatch.chdir(tmp_path)
    ProfileFiles().save(PROFILE)
    vault = FileVault(tmp_path, Seals(tmp_path, places=FakeKeyStorages(kernel=FakeKeyStorage(KEY))))
    run(vault.prepare())
    run(vault.save("default", alive()))

    vault.make_quick("default")

    laid = (tmp_path / "quick" / "default").read_text(encoding="ascii")
    assert laid.startswith(quick.MARK_KEPT)
    assert "at-1" not in laid


def test_what_is_plain_can_be_moved_where_sealing_is_required(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-14]: the way that the message names."""
    monkeypatch.setenv("KEYFOB_STORE", "require")
    seals = Seals(home, places=FakeKeyStorages(kernel=FakeKeyStorage(KEY)))
    vault = FileVault(home, seals)

    seals.move("kernel", vault.rewrite)

    assert (run(vault.load("default")) or stored()).access_token == Secret("at-1")


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_what_may_not_be_used_can_be_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-14]"""
    with issuer() as server:
        keep_login(server)
        monkeypatch.setenv("KEYFOB_STORE", "require")

        assert main(["logout"]) == 0

        assert next(body for _, path, _, body in server.came if path == "/revoke").startswith(b"token=rt-1")
    assert FileVault(home).entries() == []


def no_locks(_: int) -> None:
    raise OSError(errno.ENOLCK, "none")


@posix
def test_a_clock_that_is_ahead_takes_no_living_holders_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-13]: the file's time is the server's, and so is what it is compared with."""
    monkeypatch.setattr(lock, "_PATIENCE", 0.2)
    monkeypatch.setattr(lock.time, "time", lambda: datetime.now(UTC).timestamp() + 180)
    held = tmp_path / "x.lock.held"
    held.write_text("elsewhere 1 abc\n", encoding="utf-8")

    with pytest.raises(VaultUnavailable), locked(tmp_path / "x.lock", no_locks):
        pass

    assert held.read_text(encoding="utf-8") == "elsewhere 1 abc\n"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@posix
def test_a_holder_shows_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-13]"""
    monkeypatch.setattr(lock, "_TOUCH", 0.01)
    held = tmp_path / "x.lock.held"

    with locked(tmp_path / "x.lock", no_locks):
        os.utime(held, (1, 1))
        assert until(lambda: held.stat().st_mtime > 1)

    assert not held.exists()


HOLDER = """
import errno, sys
from pathlib import Path
from keyfob.client.io.vault.lock import locked, system_lock
def no_locks(_):
    raise OSError(errno.ENOLCK, "none")
with locked(Path(sys.argv[1]), no_locks if sys.argv[2] == "none" else system_lock):
    print("held", flush=True)
    sys.stdin.read()
"""


@posix
@pytest.mark.parametrize("kind", ["flock", "none"])
def test_who_waits_for_a_lock_says_for_which_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """[FC-15]"""
    monkeypatch.setattr(lock, "_SOON", 0.05)
    told: list[int | None] = []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    words = [sys.executable, "-c", HOLDER, tmp_path / "x.lock", kind]
    with subprocess.Popen(words, **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"

        def tell(pid: int | None) -> None:
            told.append(pid)
            holder.stdin.close()

        with locked(tmp_path / "x.lock", no_locks if kind == "none" else lock.system_lock, on_wait=tell):
            pass

    assert told == [holder.pid]


def test_a_session_says_whom_it_waits_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-15]: here another thread of this process."""
    monkeypatch.setattr(lock, "_SOON", 0.05)
    vault, has_it, lets_go = FileVault(tmp_path), threading.Event(), threading.Event()
    run(vault.save("default", stored(expires_in=-1)))
    world = ScriptedWorld({"/token": [tokens(access_token="at-2")]})

    def hold() -> None:
        with vault.lock("default"):
            has_it.set()
            lets_go.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert has_it.wait(10)
    threading.Timer(0.3, lets_go.set).start()

    assert Session(PROFILE, vault, world).token() == Secret("at-2")
    assert world.notices == [VaultNote(f"waiting for another process ({os.getpid()}) that uses this login")]


def test_a_name_in_other_case_is_the_same_login(tmp_path: Path) -> None:
    """[FC-18]: as on a disk that ignores case, so everywhere."""
    seals = Seals(tmp_path, places=FakeKeyStorages(kernel=FakeKeyStorage(KEY)))
    vault, settings = FileVault(tmp_path, seals), ProfileFiles(tmp_path)
    seals.move("kernel", vault.rewrite)
    run(vault.save("default", stored()))
    settings.save(PROFILE)

    assert run(vault.load("Default")) == stored()
    assert settings.load("DEFAULT") is not None
    run(vault.save("Default", stored(token="at-2")))
    settings.save(replace(PROFILE, name="Default"))

    assert vault.entries() == ["default"]
    assert settings.names() == ["default"]
    assert run(vault.load("default")) == stored(token="at-2")
    run(vault.delete("DEFAULT"))
    assert vault.entries() == []


def test_names_that_differ_in_case_stay_what_they_are_where_both_are_stored(tmp_path: Path) -> None:
    """[FC-18]"""
    vault = FileVault(tmp_path)
    vault.folder.mkdir(parents=True)
    for name in ("work", "Work"):
        (vault.folder / f"{name}.json").write_bytes(stored(token=name).write())
    if len(list(vault.folder.iterdir())) == 1:
        pytest.skip("this disk ignores case")

    assert run(vault.load("Work")) == stored(token="Work")
    assert run(vault.load("work")) == stored(token="work")


@pytest.mark.parametrize("damage", [b"{}", b"[]", b"{", b'{"version": "1"}', b'{"version": true}', b'{"version": 0}'])
def test_a_damaged_decision_is_set_aside_and_found_anew(
    home: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """[FC-20]"""
    (home / "vault.json").write_bytes(damage)

    assert main(["token"]) == 0
    assert main(["status"]) == 0

    assert "at-1" in capsys.readouterr().out
    [aside] = home.glob("vault.json.damaged-*")
    assert aside.read_bytes() == damage


def test_an_entry_without_a_version_is_damaged_and_one_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    """[FC-20]: the same for the logins themselves."""
    vault = FileVault(tmp_path)
    vault.folder.mkdir(parents=True)
    entry = vault.folder / "default.json"

    entry.write_bytes(b"{}")
    with pytest.raises(VaultUnavailable) as damaged:
        run(vault.load("default"))
    entry.write_bytes(b'{"version": 99}')
    with pytest.raises(VaultUnavailable) as later:
        run(vault.load("default"))

    assert damaged.value.code == "vault-damaged"
    assert later.value.code == "vault-unavailable"
    assert later.value.hint
    assert entry.exists()


def test_more_life_than_the_server_gives_is_asked_for_once_until_half_of_it_is_gone() -> None:
    """[FC-21]"""
    vault = MemoryVault()
    world = ScriptedWorld({"/token": [tokens(expires_in=3600)]})
    run(vault.save("default", stored(expires_in=3600)))
    session = Session(PROFILE, vault, world)
    day = timedelta(days=1)

    for _ in range(3):
        session.token(day)
    assert len(world.sent) == 1
    world.time.wait(timedelta(minutes=29))
    session.token(day)
    assert len(world.sent) == 1
    world.time.wait(timedelta(minutes=2))
    for _ in range(3):
        session.token(day)
    assert len(world.sent) == 2


def test_a_longer_life_that_can_be_had_is_had() -> None:
    """[FC-21]: only what is more than the whole life is not asked for again."""
    vault = MemoryVault()
    world = ScriptedWorld({"/token": [tokens(expires_in=3600)]})
    run(vault.save("default", stored(expires_in=-1)))
    session = Session(PROFILE, vault, world)

    session.token()
    world.time.wait(timedelta(minutes=10))
    session.token(timedelta(minutes=55))

    assert len(world.sent) == 2


def test_a_passphrase_is_asked_for_at_a_terminal_by_every_command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """[FC-12]: and once, however many logins are read."""
    asked: list[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

    def ask(what: str) -> str:
        asked.append(what)
        return "correct horse"

    monkeypatch.delenv("KEYFOB_STORE")
    monkeypatch.setattr(key_passphrase.sys, "stdin", Terminal())
    monkeypatch.setattr(key_passphrase.getpass, "getpass", ask)
    seals = Seals(home)
    seals.move("passphrase", FileVault(home, seals).rewrite)
    asked.clear()
    key_passphrase._typed.clear()

    assert main(["whoami"]) == 0
    assert main(["profile", "list"]) == 0

    assert asked == ["Passphrase for the stored logins: "]
    assert "key-locked" not in capsys.readouterr().err
    key_passphrase._typed.clear()


def test_a_program_that_embeds_keyfob_is_not_made_to_ask(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-12]"""
    monkeypatch.setattr(key_passphrase.getpass, "getpass", lambda _: pytest.fail("asked"))
    Seals(home)._remember(Note("passphrase"))
    (home / "key.passphrase").write_text(json.dumps({"version": 1, "cost": 10, "salt": "AA==", "box": "AA=="}))

    with pytest.raises(VaultUnavailable):
        run(FileVault(home, Seals(home)).save("default", stored()))


def test_the_sweep_of_one_login_leaves_anothers_files_alone(tmp_path: Path) -> None:
    """[FC-30]: `.a.json.json.<random>` belongs to the profile `a.json`."""
    ours, others = tmp_path / ".a.json.0123abcd", tmp_path / ".a.json.json.0123abcd"
    for path in (ours, others):
        path.write_bytes(b"")

    sweep(tmp_path / "a.json")

    assert not ours.exists()
    assert others.exists()


def test_an_answer_of_a_proxy_leaves_the_refresh_token_as_it_is() -> None:
    """[FC-03]: a page is no answer of a token endpoint, and has replaced nothing."""
    vault = MemoryVault()
    run(vault.save("default", stored(expires_in=-1)))
    page = Response(200, (("content-type", "text/html"),), b"<html>")
    session = Session(PROFILE, vault, ScriptedWorld({"/token": [page, tokens(access_token="at-2")]}))

    with pytest.raises(Exception, match="token answer"):
        session.token()
    assert session.token() == Secret("at-2")

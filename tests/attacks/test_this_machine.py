"""Disks, ports and programs of the machine: what is promised about them."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyfob.cli.commands.run import find_program
from keyfob.cli.main import main
from keyfob.client.io.doctor import try_disk
from keyfob.client.io.terminal.listener import Listener
from keyfob.client.io.vault.files import replace_file
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.callback import ANYWHERE
from keyfob.io.http import send
from keyfob.io.sockets import claim_port
from keyfob.protocol.http import Request
from keyfob.run import run
from tests.attacks.test_refresh_transaction import full_disk
from tests.client.scripts import stored
from tests.loopback import says, serving

posix = pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")


@posix
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_doctor_notices_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """[FC-16]"""
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    (tmp_path / "vault").mkdir(mode=0o700)

    with full_disk():
        code = main(["doctor", "--json"])
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    [disk] = [line for line in said if line["check"] == "disk"]
    assert (code, disk["verdict"]) == (1, "wrong")
    assert disk["fix"]
    main(["doctor", "--json"])
    assert '"check": "disk", "verdict": "ok"' in capsys.readouterr().out
    assert list((tmp_path / "vault").iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is a disk that takes no files")
def test_doctor_notices_a_folder_that_takes_no_files() -> None:
    """[FC-16]: as a read-only home, for root too."""
    folder, problem = try_disk(Path("/proc/self/no-such-home"))

    assert folder == Path("/proc/self")
    assert problem


def test_doctor_makes_no_folder(tmp_path: Path) -> None:
    """[FC-16]"""
    assert try_disk(tmp_path / "a" / "b") == (tmp_path, "")
    assert list(tmp_path.iterdir()) == []


def test_tokens_whose_settings_were_not_stored_any_more_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """[FC-30]: the process was killed in between."""
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    now = datetime.now(UTC)
    login = replace(stored(), obtained_at=now, expires_at=now + timedelta(hours=1))
    run(FileVault(tmp_path).save("default", login))

    assert main(["token"]) == 0
    assert capsys.readouterr().out == "at-1\n"


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_requests_say_that_they_are_keyfobs() -> None:
    """[FC-30]"""
    with serving({"/x": says(200)}) as server:
        send(Request("GET", f"{server.url}/x"))
        [(_, _, headers, _)] = server.came

    assert headers["user-agent"].startswith("keyfob")
    assert "httpx" not in headers["user-agent"]


class Busy(type(Path())):
    """A file that a virus scanner has open, as Windows says it, the first three times."""

    refusals: list[int] = [32, 5, 32]  # noqa: RUF012  shared by all, as the file is

    def replace(self, target: Path) -> Path:
        if self.refusals:
            problem = PermissionError(13, "Permission denied")
            problem.winerror = self.refusals.pop()
            raise problem
        return super().replace(target)


def test_a_file_that_is_open_elsewhere_is_tried_again(tmp_path: Path) -> None:
    """[FC-19]"""
    (tmp_path / "fresh").write_bytes(b"new")

    replace_file(Busy(tmp_path / "fresh"), tmp_path / "old")

    assert (tmp_path / "old").read_bytes() == b"new"


class Socket:
    def __init__(self) -> None:
        self.options: list[tuple[int, int, int]] = []

    def setsockopt(self, *option: int) -> None:
        self.options.append(option)


def test_on_windows_no_other_process_shares_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-19]"""
    listener, exclusive = Socket(), -5
    monkeypatch.setattr("keyfob.io.sockets.sys.platform", "win32")
    monkeypatch.setattr("keyfob.io.sockets.socket.SO_EXCLUSIVEADDRUSE", exclusive, raising=False)

    claim_port(listener)

    assert [option[1] for option in listener.options] == [exclusive]


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_listener_lets_its_port_be_claimed_by_that_alone() -> None:
    """[FC-19]"""
    listener = Listener(ANYWHERE, "state")
    try:
        assert [server.allow_reuse_address for server in listener._servers] == [False] * len(listener._servers)
    finally:
        listener.close(succeeded=False)


def test_a_program_in_the_current_folder_is_not_run_for_one_in_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[FC-19]"""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    (here / "git.EXE").write_bytes(b"")
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATHEXT", ".COM;.EXE")

    for path in (str(there), f"{there}{os.pathsep}.", f"{there}{os.pathsep}"):
        monkeypatch.setenv("PATH", path)
        assert find_program("git", "win32") is None
    (there / "git.EXE").write_bytes(b"")
    assert find_program("git", "win32") == str(there / "git.EXE")
    assert find_program("git.EXE", "win32") == str(there / "git.EXE")

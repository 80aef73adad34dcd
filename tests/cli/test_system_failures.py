"""What the operating system refuses is told with its reason; and what a person did wrong is told as what it is."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from keyfob.client.session.checkup import judge_clock
from tests.cli.desk import Desk, desk
from tests.cli.issuer import PENDING, issuer

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
posix = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line with `keyfob` in it."""
    line = line.replace("keyfob", f"{sys.executable} -m keyfob")
    environment = {**os.environ, "KEYFOB_HOME": str(folder / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        ["/bin/sh", "-c", line], check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("words", ["--version", "help", "profile --help", "status --json"])
def test_a_full_disk_below_stdout_is_the_reason(tmp_path: Path, words: str) -> None:
    """[FC-25]: it said that this unexpected error."""
    ran = shell(f"keyfob {words} >/dev/full", tmp_path)
    assert ran.returncode == 1
    assert "cannot be written to stdout: No space left on device" in ran.stderr
    assert "unexpected error" not in ran.stderr
    assert "Exception ignored" not in ran.stderr


@posix
@pytest.mark.parametrize("words", ["--version", "help", "status --json"])
def test_a_closed_stdout_is_the_reason(tmp_path: Path, words: str) -> None:
    """[FC-25]."""
    ran = shell(f"keyfob {words} >&-", tmp_path)
    assert ran.returncode == 1
    assert "cannot be written to stdout: Bad file descriptor" in ran.stderr


@posix
def test_a_closed_stderr_stops_nothing(tmp_path: Path) -> None:
    """[FC-25]."""
    ran = shell("keyfob --version 2>&-", tmp_path)
    assert (ran.returncode, ran.stdout.startswith("keyfob")) == (0, True)


@posix
@pytest.mark.skipif(sys.platform == "darwin", reason="the folder stays there as long as it is used")
def test_a_deleted_folder_is_the_reason(tmp_path: Path) -> None:
    """[FC-25]."""
    (tmp_path / "gone").mkdir()
    ran = shell("cd gone && rmdir ../gone && keyfob login https://login.example/ cli --ca ca.pem", tmp_path)
    assert ran.returncode == 1
    assert "the working folder has been deleted" in ran.stderr


def test_a_damaged_settings_file_does_not_stop_a_logout(desk: Desk) -> None:
    """[FC-27]: the login could not be ended."""
    with issuer() as server:
        desk.save(f"{server.url}/")
        (desk.home / "profiles" / "default.json").write_bytes(b"{")
        ran = desk.type("logout")
        assert [path for _, path, _, _ in server.came] != []
    assert ran.code == 0
    assert not (desk.home / "vault" / "default.json").exists()


def test_a_damaged_settings_file_is_replaced_by_a_login(desk: Desk) -> None:
    """[FC-27]: the hint's command failed as well."""
    with issuer() as server:
        desk.save(f"{server.url}/")
        (desk.home / "profiles" / "default.json").write_bytes(b"{")
        assert "Run: keyfob login URL CLIENT_ID" in desk.type("token", "--min-ttl", "1s").err
        assert desk.type("login", f"{server.url}/", "cli", "--flow", "device").code == 0
        assert desk.type("whoami").code == 0


@pytest.mark.parametrize(
    ("line", "said", "never"),
    [
        ("call foo", "not a web address", "plain http"),
        ("call http://", "not a web address", "plain http"),
        ("login https://login.example/ cli --max-age 1x", "--max-age 5m", "--min-ttl"),
        ("token --min-ttl 1x", "--min-ttl 5m", "--max-age"),
        ("login https://login.example/ cli --port 99999", "a port is a number from 0 to 65535", "callback"),
        ("login https://login.example/ cli --port abc", "a port is a number from 0 to 65535", "abc"),
        ("serve --port 99999", "a port is a number from 0 to 65535", "99999"),
        ("login https://login.example/ cli --flow machine --identity github", "Elsewhere, use another platform",
         "Give the job"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_as_what_it_is(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, line: str, said: str, never: str
) -> None:
    """[FC-28]: the reasons were those of something else."""
    for name in ("GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    desk.save("http://127.0.0.1:9/")
    ran = desk.type(*line.split())
    assert ran.code != 0
    assert said in ran.err
    assert never not in ran.err


def test_a_clock_that_is_off_is_told_in_days() -> None:
    """[FC-29]: it was 94607998 s behind."""
    assert "1094 days behind" in judge_clock(timedelta(seconds=94607998)).said
    assert "90 s ahead of" in judge_clock(-timedelta(seconds=90)).said


def test_status_tells_of_a_login_that_waits(desk: Desk) -> None:
    """[FC-29]."""
    with issuer(PENDING) as server:
        desk.type("login", f"{server.url}/", "cli", "--flow", "device", "--no-wait")
        ran, told = desk.type("status"), desk.type("status", "--json").members()
    assert "a login waits for its approval" in ran.err
    assert "Run: keyfob login --resume" in ran.err
    assert told["waiting"] is True


def test_a_login_says_what_comes_next(desk: Desk) -> None:
    """[FC-29]."""
    with issuer() as server:
        ran = desk.type("login", f"{server.url}/", "cli", "--flow", "device", "--profile", "work")
    assert "Next: keyfob token --profile work, or keyfob call URL --profile work" in ran.err

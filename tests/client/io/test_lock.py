"""The lock where a file system has none: a file that is there or not."""

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from keyfob.client.io.vault import lock
from keyfob.client.io.vault.lock import locked
from keyfob.errors import VaultUnavailable

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and signals are POSIX")


def no_locks(_: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


COUNTER = """
import errno, os, sys
from pathlib import Path
from keyfob.client.io.vault.lock import locked
def no_locks(_):
    raise OSError(errno.ENOLCK, "none")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    with locked(Path(sys.argv[1]), no_locks):
        file = Path(sys.argv[2])
        file.write_text(str(int(file.read_text() or "0") + 1))
"""


@posix
def test_without_locks_in_the_file_system_one_process_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    """[C-IMPL-02]"""
    number = tmp_path / "number"
    number.write_text("0", encoding="utf-8")
    command = [sys.executable, "-c", COUNTER, tmp_path / "x.lock", number]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    programs = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for client in programs:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
    for client in programs:
        client.communicate(b"go\n", timeout=120)

    assert [client.returncode for client in programs] == [0] * 4
    assert number.read_text(encoding="utf-8") == "80"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["number", "x.lock"]


HOLDER = """
import errno, sys
from pathlib import Path
from keyfob.client.io.vault.lock import locked
def no_locks(_):
    raise OSError(errno.ENOLCK, "none")
with locked(Path(sys.argv[1]), no_locks):
    print("held", flush=True)
    sys.stdin.read()
"""


@posix
def test_what_a_killed_holder_left_behind_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "x.lock"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDER, file], **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (tmp_path / "x.lock.held").exists()

    with locked(file, no_locks):
        pass

    assert not (tmp_path / "x.lock.held").exists()


@posix
@pytest.mark.parametrize(("age", "is_taken"), [(130, True), (10, False)])
def test_a_holder_on_another_machine_is_given_longer_than_a_refresh_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: float, is_taken: bool
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 0.2)
    stored = tmp_path / "x.lock.held"
    stored.write_text("elsewhere 1 abc\n", encoding="utf-8")
    then = stored.stat().st_mtime - age
    os.utime(stored, (then, then))

    if is_taken:
        with locked(tmp_path / "x.lock", no_locks):
            pass
        return
    with pytest.raises(VaultUnavailable) as caught, locked(tmp_path / "x.lock", no_locks):
        pass
    assert caught.value.hint == "Try again."
    assert stored.exists()


@posix
def test_many_that_see_a_dead_holder_make_one_new_holder(tmp_path: Path) -> None:
    (tmp_path / "x.lock.held").write_text(f"{lock.socket.gethostname()} 99999999 abc\n", encoding="utf-8")
    inside, most = 0, 0
    count = threading.Lock()

    def enter(_: int) -> None:
        nonlocal inside, most
        with locked(tmp_path / "x.lock", no_locks):
            with count:
                inside += 1
                most = max(most, inside)
            with count:
                inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enter, range(12)))

    assert most == 1


@posix
@pytest.mark.parametrize("has_locks", [True, False], ids=["locks", "no locks"])
def test_who_has_no_patience_is_told_at_once_that_somebody_has_it(tmp_path: Path, has_locks: bool) -> None:
    lock_it = lock.system_lock if has_locks else no_locks

    def try_it() -> None:
        with locked(tmp_path / "x.lock", lock_it, timedelta()):
            pass

    with locked(tmp_path / "x.lock", lock_it), ThreadPoolExecutor(1) as pool, pytest.raises(VaultUnavailable) as caught:
        pool.submit(try_it).result(10)
    assert caught.value.code == "vault-busy"
    try_it()


@posix
def test_who_has_no_patience_takes_over_from_the_dead_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "x.lock.held").write_text(f"{lock.socket.gethostname()} 99999999 abc\n", encoding="utf-8")
    with locked(tmp_path / "x.lock", no_locks, timedelta()):
        pass
    assert not (tmp_path / "x.lock.held").exists()


def test_another_trouble_than_having_no_locks_is_said(tmp_path: Path) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(VaultUnavailable), locked(tmp_path / "x.lock", broken):
        pass

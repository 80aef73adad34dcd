"""Attacks on the socket of `keyfob agent`: other users, huge and slow input, many callers, planted files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from keyfob.errors import Misuse, VaultUnavailable

if sys.platform != "linux":
    pytest.skip("the caller's account is known on Linux only", allow_module_level=True)

from keyfob.client.io.agent import agent_server, agent_socket
from keyfob.client.io.agent.agent_server import AgentServer
from keyfob.client.model.agent_messages import LARGEST_REQUEST, AgentRequest

NOBODY = 65534
CALL = """
import os, socket, sys
os.setgid(65534), os.setuid(65534)
with socket.socket(socket.AF_UNIX) as call:
    call.settimeout(10)
    try:
        call.connect(sys.argv[1])
        call.sendall(b"{}")
        call.shutdown(socket.SHUT_WR)
        print(call.recv(100))
    except PermissionError:
        print("refused")
    except ConnectionError:
        print(b"")
"""


@contextmanager
def listening(path: Path) -> Generator[list[bytes]]:
    """An agent that answers everybody, and what it was asked."""
    asked: list[bytes] = []

    def answer(raw: bytes, _peer: agent_socket.Peer) -> bytes:
        asked.append(raw)
        return b"given"

    server = AgentServer(path, answer)
    thread = threading.Thread(target=_serve, args=(server,), daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.__exit__()
        with socket.socket(socket.AF_UNIX) as last:  # wakes nobody: the socket is gone
            last.close()


def _serve(server: AgentServer) -> None:
    with suppress(OSError, ValueError):
        server.serve()


def call(path: Path, raw: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(10)
        caller.connect(str(path))
        try:
            caller.sendall(raw)
            caller.shutdown(socket.SHUT_WR)
            return caller.recv(100)
        except ConnectionError:
            return b""


def test_only_the_owner_may_open_the_socket_or_its_folder(tmp_path: Path) -> None:
    os.umask(0o000)
    path = tmp_path / "agent" / "socket"
    try:
        with listening(path):
            assert path.lstat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
            assert (path.parent / "socket.lock").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(0o022)
    assert not path.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become another user")
def test_another_user_gets_nothing_even_if_the_files_let_him_in() -> None:
    """The modes are one wall, the kernel's word on the caller is the other."""
    with tempfile.TemporaryDirectory() as folder, listening(path := Path(folder) / "agent" / "socket") as asked:
        first = subprocess.run([sys.executable, "-c", CALL, str(path)], capture_output=True, text=True, check=False)
        for opened in (path.parent, path.parent.parent):
            opened.chmod(0o755)
        path.chmod(0o666)
        second = subprocess.run([sys.executable, "-c", CALL, str(path)], capture_output=True, text=True, check=False)

        assert first.stdout == "refused\n", first
        assert second.stdout == "b''\n", second
        assert asked == []
        assert call(path, b"{}") == b"given"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become another user")
def test_a_program_asks_no_agent_of_another_user(tmp_path: Path) -> None:
    path = tmp_path / "planted"
    plant = (
        "import os, socket, sys, threading\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o666)\n"
        "os.setgid(65534), os.setuid(65534); s.listen(5); print('ready', flush=True)\n"
        "c, _ = s.accept(); print(c.recv(10000), flush=True); sys.stdin.readline()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", plant, str(path)], stdin=pipe, stdout=pipe, text=True) as planted:
        assert planted.stdout is not None
        assert planted.stdout.readline() == "ready\n"
        with pytest.raises(VaultUnavailable, match="another user"):
            agent_socket.ask(path, AgentRequest(profile="secret-name"))
        assert planted.stdout.readline() == "b''\n"
        planted.communicate("\n", timeout=10)


def test_a_huge_request_is_cut_off_and_the_next_one_is_served(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    tmp_path.chmod(0o700)
    with listening(path) as asked:
        assert call(path, b"x" * (LARGEST_REQUEST + 1)) == b""
        assert call(path, b"x" * 10_000_000) == b""
        assert call(path, b"x" * LARGEST_REQUEST) == b"given"
        assert [len(raw) for raw in asked] == [LARGEST_REQUEST]


def test_callers_that_send_nothing_delay_the_next_and_do_not_lock_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "socket"
    monkeypatch.setattr(agent_server, "_PATIENCE", agent_server._PATIENCE / 10)
    with listening(path):
        silent = [socket.socket(socket.AF_UNIX) for _ in range(agent_server._MOST_AT_ONCE + 40)]
        try:
            for one in silent:
                one.connect(str(path))
            assert call(path, b"{}") == b"given"
            assert threading.active_count() < agent_server._MOST_AT_ONCE + 20
        finally:
            for one in silent:
                one.close()


@pytest.mark.parametrize("planted", ["file", "link", "folder"])
def test_what_was_put_in_the_sockets_place_is_neither_removed_nor_followed(tmp_path: Path, planted: str) -> None:
    tmp_path.chmod(0o700)
    path, treasure = tmp_path / "socket", tmp_path / "treasure"
    treasure.write_text("gold", encoding="utf-8")
    if planted == "file":
        path.write_text("mine", encoding="utf-8")
    elif planted == "link":
        path.symlink_to(treasure)
    else:
        path.mkdir()

    with pytest.raises(Misuse, match="is not a socket"):
        AgentServer(path, lambda _raw, _peer: b"")

    assert os.path.lexists(path)
    assert treasure.read_text(encoding="utf-8") == "gold"


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    treasure = tmp_path / "treasure"
    (tmp_path / "socket.lock").symlink_to(treasure)

    with pytest.raises(Exception, match="cannot be opened"):
        AgentServer(tmp_path / "socket", lambda _raw, _peer: b"")

    assert not treasure.exists()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(Misuse) as refused:
        AgentServer(folder / "socket", lambda _raw, _peer: b"")

    assert refused.value.code == "setting-unsafe"


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir(mode=0o700)
    link.symlink_to(real)

    with pytest.raises(Misuse):
        AgentServer(link / "socket", lambda _raw, _peer: b"")


def test_a_second_agent_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "agent" / "socket"
    with listening(path):
        with pytest.raises(Misuse, match="is already running at"):
            AgentServer(path, lambda _raw, _peer: b"other")
        assert call(path, b"{}") == b"given"


def test_the_socket_of_an_agent_that_was_killed_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "agent" / "socket"
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with listening(path):
        assert call(path, b"{}") == b"given"


def test_a_path_that_is_too_long_is_said_before_the_system_says_it(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="at most"):
        AgentServer(tmp_path / ("x" * 120), lambda _raw, _peer: b"")


def test_what_answers_and_is_no_agent_is_no_token(tmp_path: Path) -> None:
    path = tmp_path / "agent" / "socket"
    for said in (b"given", b"{}", b'{"version": 2}', b"[" * 5000, b""):
        server = AgentServer(path, lambda _raw, _peer, said=said: said)
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        with pytest.raises(VaultUnavailable) as refused:
            agent_socket.ask(path, AgentRequest())
        server.__exit__()
        assert refused.value.code == "agent-unavailable"

"""The command as a process: what it loads, how it ends."""

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from keyfob.client.io.vault.vault_file import FileVault
from tests.cli.issuer import PENDING, issuer, keep_login

HEAVY = {"asyncio", "cryptography", "httpx2", "joserfc", "segno", "starlette", "uvicorn", "jinja2", "sqlite3", "ssl"}
LOADED = """
import sys
from keyfob.cli.main import main
code = main(sys.argv[1:])
print(*sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
sys.exit(code)
"""


def surroundings(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOB_")}
    return kept | {"KEYFOB_HOME": str(home), "PYTHONUTF8": "1", "KEYFOB_STORE": "file"}


def loaded(home: Path, *words: str) -> tuple[int, set[str]]:
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, *words], env=surroundings(home), capture_output=True, text=True, check=False
    )
    return ran.returncode, set(ran.stderr.splitlines()[-1].split())


def start(home: Path, *words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "keyfob", *words]
    return subprocess.Popen(command, env=surroundings(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code, modules = loaded(tmp_path, "--help")

    assert code == 0
    assert modules.isdisjoint(HEAVY)


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_token_at_hand_loads_nothing_heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    with issuer() as server:
        keep_login(server)

    code, modules = loaded(tmp_path, "token")

    assert code == 0
    assert modules.isdisjoint(HEAVY)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to another process is POSIX")
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_ctrl_c_during_a_login_answers_at_once(tmp_path: Path) -> None:
    with issuer(PENDING) as server:
        program = start(tmp_path, "login", "--issuer", f"{server.url}/", "--client-id", "cli", "--json")
        assert program.stdout is not None
        assert b"chosen" in program.stdout.readline()
        assert b"device_code" in program.stdout.readline()
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=5)

    assert program.returncode == 130
    assert b"Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals to another process are POSIX")
@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.parametrize("sent", ["SIGINT", "SIGKILL"])
def test_a_logout_that_ends_while_the_server_hangs_leaves_nothing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: str
) -> None:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    asked, over = threading.Event(), threading.Event()

    def hangs(_: BaseHTTPRequestHandler, _body: bytes) -> None:
        asked.set()
        over.wait(30)

    with issuer(revoke=hangs) as server:
        keep_login(server)
        program = start(tmp_path, "logout")
        assert asked.wait(30)
        program.send_signal(signal.Signals[sent])
        _, err = program.communicate(timeout=5)
        over.set()

    assert FileVault().entries() == []
    assert program.returncode == (130 if sent == "SIGINT" else -signal.SIGKILL)
    assert (b"the login was deleted here; the refresh token may still be valid" in err) == (sent == "SIGINT")
    assert b"Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
def test_a_reader_that_has_gone_is_no_reason_to_complain(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "keyfob", "token", "--json"],
            env=surroundings(tmp_path), stdout=write, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    finally:
        os.close(write)

    assert ran.returncode == 4
    assert ran.stderr == b""


def test_a_terminal_that_knows_no_letters_gets_escapes_and_no_traceback(tmp_path: Path) -> None:
    ascii_only = surroundings(tmp_path) | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "KEYFOB_PROFILE": "\u00e4"}
    ran = subprocess.run([sys.executable, "-m", "keyfob", "token"], env=ascii_only, capture_output=True, check=False)

    assert ran.returncode == 2
    assert b"Traceback" not in ran.stderr


def test_without_words_it_says_which_there_are(tmp_path: Path) -> None:
    program = start(tmp_path)
    out, _ = program.communicate(timeout=30)

    assert program.returncode == 2
    assert b"keyfob COMMAND" in out


# A program whose errors nobody catches, beside the command: in a thread, and where something is cleaned up.
UNCAUGHT = """
import threading
from keyfob.cli.output import hook_uncaught_errors

def fail():
    raise RuntimeError("s3cret")

class Left:
    def __del__(self):
        fail()

hook_uncaught_errors()
worker = threading.Thread(target=fail)
worker.start()
worker.join()
left = Left()
del left
"""


def test_an_error_that_nobody_catches_is_told_of_without_what_it_says() -> None:
    """[C-ASVS-01]"""
    ran = subprocess.run(
        [sys.executable, "-c", UNCAUGHT], env=surroundings(Path()), capture_output=True, text=True, check=False
    )

    assert ran.stderr.count("unexpected error (RuntimeError)") == 2
    assert "s3cret" not in ran.stdout + ran.stderr

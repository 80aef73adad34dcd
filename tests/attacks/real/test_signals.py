"""Real processes that end while their refresh is under way."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.login import App
from keyfob.protocol.http import Request, Response
from keyfob.run import run
from keyfob.testing.strict_issuer import StrictIssuer, expired

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
COMMAND = ("-m", "keyfob", "token")
# An event loop that ends at once, although its task's exchange is under way.
LOOP = """
import asyncio, sys
from pathlib import Path
from keyfob.login import App, aio
async def main():
    app = App(issuer=sys.argv[1], client_id="cli", home=Path(sys.argv[2]))
    task = asyncio.ensure_future(aio.App(app).session().token())
    await asyncio.to_thread(sys.stdin.readline)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
asyncio.run(main())
"""
# A program that is ended as most are: SIGTERM has no handler.
PLAIN = """
import sys
from pathlib import Path
from keyfob.login import App
App(issuer=sys.argv[1], client_id="cli", home=Path(sys.argv[2])).session().token()
"""
SLEEPER = (
    PLAIN.replace("session().token()", "session()")
    + """
import asyncio
from keyfob.login import aio
app = App(issuer=sys.argv[1], client_id="cli", home=Path(sys.argv[2]))
asyncio.run(aio.App(app).session().token())
"""
)


class Machine:
    """A home with an expired login at a strict issuer, whose answers wait."""

    def __init__(self, home: Path, issuer: StrictIssuer) -> None:
        self.issuer, self.home = issuer, home
        self.under_way, self.may_answer = threading.Event(), threading.Event()
        issuer.before_answer = self._wait
        profile = App(issuer=issuer.issuer, client_id="cli").profile
        run(FileVault(home).save("default", expired(issuer.log_in(profile))))
        ProfileFiles(home).save(profile)

    def _wait(self, _request: Request, _response: Response) -> None:
        self.under_way.set()
        self.may_answer.wait(20)

    def start(self, *words: str, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[str]:
        monkeypatch.setenv("KEYFOB_HOME", str(self.home))
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, *words], stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def interrupt(self, words: tuple[str, ...], act: Callable[[subprocess.Popen[str]], object],
                  monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:  # fmt: skip
        """Act on a process while its refresh is under way; return how it ended."""
        with self.start(*words, monkeypatch=monkeypatch) as process:
            assert self.under_way.wait(20)
            act(process)
            threading.Timer(0.3, self.may_answer.set).start()
            out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def is_well(self) -> bool:
        stored = run(FileVault(self.home).load("default"))
        assert stored is not None
        return self.issuer.works(stored.refresh_token) and self.issuer.reuses == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_ends_by_one_signal_and_its_login_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    """[FC-02]"""
    issuer = StrictIssuer()
    with issuer.serving():
        machine = Machine(tmp_path, issuer)
        ended = machine.interrupt(COMMAND, lambda process: process.send_signal(number), monkeypatch)

    assert ended[0] == code
    assert "at-1" not in ended[1]
    assert machine.is_well()


@pytest.mark.parametrize("program", [PLAIN, SLEEPER], ids=["blocking", "awaited"])
def test_a_program_without_handlers_ends_by_one_signal_and_its_login_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """[FC-02]: by the signal itself, as its parent expects."""
    issuer = StrictIssuer()
    with issuer.serving():
        machine = Machine(tmp_path, issuer)
        words = ("-c", program, issuer.issuer, str(tmp_path))
        ended = machine.interrupt(words, lambda process: process.send_signal(signal.SIGTERM), monkeypatch)

    assert ended[0] == -signal.SIGTERM, ended
    assert machine.is_well()


def test_an_exchange_outlives_its_event_loop_and_the_main_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[FC-02]"""
    issuer = StrictIssuer()

    def ends_loop(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    with issuer.serving():
        machine = Machine(tmp_path, issuer)
        words = ("-c", LOOP, issuer.issuer, str(tmp_path))
        ended = machine.interrupt(words, ends_loop, monkeypatch)

    assert ended == (0, "", "")
    assert machine.is_well()


def test_a_second_ctrl_c_acts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-02]: the issuer has not answered when the process has ended."""
    issuer = StrictIssuer()
    with issuer.serving():
        machine = Machine(tmp_path, issuer)
        with machine.start(*COMMAND, monkeypatch=monkeypatch) as process:
            assert machine.under_way.wait(20)
            for _ in range(2):
                process.send_signal(signal.SIGINT)
                threading.Event().wait(0.2)
            process.communicate(timeout=30)
            assert not machine.may_answer.is_set()
        machine.may_answer.set()

    assert process.returncode == 130

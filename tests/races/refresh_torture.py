"""Real processes refresh one login at the strict issuer, while signals end them and their disk is full half the time.

SIGINT, SIGTERM and SIGKILL come at random moments, most of them while an answer is on its way. The full disk is
RLIMIT_FSIZE, as where a quota is used up: the kernel refuses to let a file grow. `run` returns the result.
Started as a program, this file is one of the processes.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.io.world import SystemWorld
from keyfob.errors import KeyfobError, LoginRequired, VaultUnavailable
from keyfob.io.http import send
from keyfob.login import App
from keyfob.protocol.fields import read_form
from keyfob.protocol.http import Request, Response
from keyfob.run import run as blocking
from keyfob.testing.strict_issuer import StrictIssuer

_CLIENT_ID: Final = "cli"
_PROCESS_HEADER: Final = "x-process"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL) if os.name == "posix" else ()
_LONGEST_DELAY_S: Final = 0.02  # of a signal after the refresh token is spent
_ANYWHERE: Final = 0.2  # the share of processes that are sent a signal at any moment
_LIFE_S: Final = 2.0  # about as long as a process lives
_NAP_S: Final = 0.01
_SMALL_FILE: Final = 2048
_NEEDS_LOGIN: Final = 4


@dataclass
class TortureResult:
    """The result.

    Attributes:
        processes: The number of processes that were started.
        refreshes: The number of refreshes that succeeded at the issuer.
        signals: The number of signals that were sent, by name.
        without_asking: How often a full disk was noticed before a refresh token was sent.
        reuses: Spent refresh tokens that were presented again, except those of `lost_to_kill`.
        lost_to_kill: Logins that were lost because SIGKILL came between the answer and the rename.
        lost: Logins that were lost in another way.
        damaged: Files that the vault set aside as damaged.
        left_over: Unexpected files in the folder of the vault.
    """

    processes: int = 0
    refreshes: int = 0
    signals: Counter[str] = field(default_factory=Counter[str])
    without_asking: int = 0
    reuses: list[str] = field(default_factory=list[str])
    lost_to_kill: int = 0
    lost: int = 0
    damaged: list[str] = field(default_factory=list[str])
    left_over: list[str] = field(default_factory=list[str])


class _Torture:
    """The issuer, the vault, and the processes that run at the moment."""

    def __init__(self, home: Path, seed: int) -> None:
        self.issuer = StrictIssuer()
        self.vault = FileVault(home)
        self.came = TortureResult()
        self._home = home
        self._random = random.Random(seed)
        self._running: list[subprocess.Popen[str]] = []
        self._signalled: dict[int, signal.Signals] = {}
        self._spent_by: dict[str, int] = {}
        self._lock = threading.Lock()
        self.issuer.before_answer = self._strike

    def run(self, processes: int, at_once: int) -> None:
        self._log_in()
        while self.came.processes < processes or self._running:
            while self.came.processes < processes and len(self._running) < at_once:
                self._start()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running[0].wait(_NAP_S)
            for worker in [worker for worker in self._running if worker.poll() is not None]:
                self._running.remove(worker)
                self._collect(worker)
        self._settle()

    def stop(self) -> None:
        for worker in self._running:
            worker.kill()
            worker.communicate()

    def _start(self) -> None:
        words = [sys.executable, __file__, self.issuer.issuer, str(self._home)]
        words.append(str(self._random.randrange(10**6)))
        worker = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._running.append(worker)
        self.came.processes += 1
        with self._lock:
            strikes, delay = self._random.random() < _ANYWHERE, self._random.random() * _LIFE_S
        if strikes:
            self._later(delay, worker.pid)

    def _collect(self, worker: subprocess.Popen[str]) -> None:
        said, _ = worker.communicate()
        self.came.without_asking += said.count("full")
        if worker.returncode == _NEEDS_LOGIN:
            with self.vault.lock("default"):
                self._settle()

    def _strike(self, request: Request, response: Response) -> None:
        """Send a signal to some of the processes whose refresh token has just been spent."""
        pid = int(request.header(_PROCESS_HEADER) or 0)
        with self._lock:
            if response.status == 200:
                self._spent_by[read_form(request.body, "request").text("refresh_token")] = pid
            strikes, waits = self._random.random() < 0.4, self._random.choice((0.0, 0.0, _LONGEST_DELAY_S))
            delay = self._random.random() * waits
        if strikes and delay:
            self._later(delay, pid)
        elif strikes:
            self._signal(pid)

    def _later(self, delay: float, pid: int) -> None:
        timer = threading.Timer(delay, self._signal, (pid,))
        timer.daemon = True
        timer.start()

    def _signal(self, pid: int) -> None:
        """Send one signal to a process that has had none: a second one would rightly act at once."""
        with self._lock:
            if pid in self._signalled or pid not in {worker.pid for worker in self._running}:
                return
            number = self._signalled[pid] = self._random.choice(_SIGNALS)
            self.came.signals[number.name] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _settle(self) -> None:
        """Count the stored login as lost if it cannot be refreshed any more, and log in again."""
        stored = blocking(self.vault.load("default"))
        token = None if stored is None else stored.refresh_token
        if self.issuer.works(token):
            return
        reuses, self.issuer.reuses = self.issuer.reuses, []
        spent = {*reuses, *([token.reveal()] if token is not None and not reuses else [])}
        by_kill = {one for one in spent if self._signalled.get(self._spent_by.get(one, 0)) == signal.SIGKILL}
        self.came.reuses += [one for one in reuses if one not in by_kill]
        if by_kill:
            self.came.lost_to_kill += 1
        else:
            self.came.lost += 1
        self._log_in()

    def _log_in(self) -> None:
        profile = App(issuer=self.issuer.issuer, client_id=_CLIENT_ID, profile="default").profile
        stored = self.issuer.log_in(profile, expires_in=-timedelta(seconds=1))
        last = blocking(self.vault.load("default"))
        blocking(self.vault.save("default", replace(stored, generation=(last.generation if last else 0) + 1)))


def run(folder: Path, *, processes: int, at_once: int = 8, seed: int = 1) -> TortureResult:
    """Start that many processes, one after the other, and return what happened. All have ended when this returns.

    Args:
        folder: An empty folder.
        processes: The number of processes; each refreshes up to five times.
        at_once: How many run at the same time.
        seed: Chooses signals and moments. The processes' own timing stays random.
    """
    torture = _Torture(folder / "home", seed)
    with ExitStack() as stack:
        stack.enter_context(torture.issuer.serving())
        stack.callback(torture.stop)
        torture.run(processes, at_once)
    came = torture.came
    came.refreshes = torture.issuer.refreshes
    came.reuses += torture.issuer.reuses
    names = sorted(path.name for path in torture.vault.folder.iterdir())
    came.damaged = [name for name in names if "damaged" in name]
    # What SIGKILL left behind is swept by the next writer.
    came.left_over = [name for name in names if name not in {"default.json", "default.lock", *came.damaged}]
    return came


@contextmanager
def _full_disk() -> Generator[None]:
    import resource

    wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # as in tests/attacks/test_refresh_transaction.py
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL_FILE, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sys.dont_write_bytecode = wrote


def _work(issuer: str, home: Path, chance: random.Random) -> int:
    """Refresh up to five times, as a program that an API refuses; return the exit code."""

    def send_with_process(request: Request) -> Response:
        return send(replace(request, headers=(*request.headers, (_PROCESS_HEADER, str(os.getpid())))))

    # As the command does it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    world = SystemWorld(http=send_with_process)
    app = App(issuer=issuer, client_id=_CLIENT_ID, profile="default", vault=FileVault(home), world=world)
    for _ in range(5):
        try:
            with _full_disk() if chance.random() < 0.5 else contextlib.nullcontext():
                app.session().token(renew=True)
        except VaultUnavailable:
            sys.stdout.write("full\n")
            sys.stdout.flush()
        except LoginRequired:
            return _NEEDS_LOGIN
        except KeyfobError as problem:
            sys.stdout.write(f"{problem.code}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_work(sys.argv[1], Path(sys.argv[2]), random.Random(int(sys.argv[3]))))

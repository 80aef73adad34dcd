"""Run a server in several processes that share the listening sockets. Replace a process that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from keyfob.errors import Misuse

Work = Callable[[int], int]

# The supervisor sleeps until one of these signals arrives. They are blocked meanwhile, so that no signal is lost.
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT) + ((signal.SIGCHLD,) if hasattr(signal, "SIGCHLD") else ())
_RESTART_S: Final = 1.0  # the shortest time between two starts of a worker, so that a failing worker uses little CPU


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def refuse_elsewhere() -> None:
    """Refuse to start several workers on a platform without fork.

    Raises:
        Misuse: The platform has no fork, as on Windows.
    """
    if not hasattr(os, "fork"):
        raise Misuse(
            "several workers need an operating system with fork", hint="Run several nodes behind a proxy instead."
        )


def supervise(count: int, work: Work, listeners: Sequence[socket.socket]) -> None:
    """Run `work(0)` to `work(count - 1)`, each in a separate process, until SIGTERM or SIGINT.

    After the signal, this process closes the sockets and asks the workers to end. A second SIGINT ends the workers at
    once. If this process is killed, the workers end by themselves. This process must have no other threads.

    Args:
        count: The number of workers.
        work: The function that serves until SIGTERM or SIGINT and returns an exit code. If its process ends, the
            function is called again in a new process.
        listeners: The sockets that all workers accept on.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    life = os.pipe()
    workers: dict[int, int] = {}  # the number of each process
    began = dict.fromkeys(range(count), 0.0)
    try:
        for number in began:
            workers[_fork(work, number, life, began)] = number
        while (found := signal.sigwait(_SIGNALS)) not in {signal.SIGTERM, signal.SIGINT}:
            for number in _ended(workers):
                workers[_fork(work, number, life, began)] = number
        for listener in listeners:
            listener.close()  # the port is released when the last worker closes its copy
        _end(workers, signal.SIGTERM)
        while workers:
            found = signal.sigwait(_SIGNALS)
            if found == signal.SIGINT:
                _end(workers, signal.SIGINT)
            _ended(workers)
    finally:
        for end in life:
            os.close(end)  # the workers end too, even if this process ends with an error
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _ended(workers: dict[int, int]) -> list[int]:
    """Remove the workers whose process has ended from `workers`. Return the numbers of these workers."""
    numbers: list[int] = []
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            if found in workers:  # the first process in a container is the parent of other processes too
                numbers.append(workers.pop(found))
    return numbers


def _end(workers: dict[int, int], how: signal.Signals) -> None:
    for process in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, how)


def _fork(work: Work, number: int, life: tuple[int, int], began: dict[int, float]) -> int:
    """Start a worker. Return its process id."""
    pause = began[number] + _RESTART_S - time.monotonic()
    began[number] = time.monotonic() + max(pause, 0)
    process = os.fork()
    if process == 0:
        _work(work, number, life, pause)
    return process


def _work(work: Work, number: int, life: tuple[int, int], pause: float) -> NoReturn:
    """Serve as a worker until SIGTERM arrives or the supervisor ends. Then exit this process."""
    code = 1
    try:
        os.close(life[1])
        threading.Thread(target=_end_with, args=(life[0],), name="keyfob-supervisor", daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if pause > 0:
            time.sleep(pause)
        code = work(number)
    except SystemExit as ended:  # a signal arrived before the server handled signals
        code = ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        code = 0
    finally:
        os._exit(code)


def _end_with(life: int) -> None:
    """Wait until the supervisor ends, then send SIGTERM to this process.

    `life` is the read end of a pipe. When the supervisor ends, the system closes the only write end.
    """
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)

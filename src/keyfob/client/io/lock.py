"""A lock between processes and between threads, in a file beside what it guards."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final, NoReturn

from keyfob.errors import VaultUnavailable

_PATIENCE: Final = 60.0  # seconds: longer than a refresh may take with its time limits
_NAP: Final = 0.05
_threads: dict[str, threading.Lock] = {}
_threads_guard = threading.Lock()


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock. It dies with its process, so nothing is left locked after a crash.

    Raises:
        VaultUnavailable: Somebody has held it for a minute, or the file system has no locks.
    """
    with _threads_guard:
        mine = _threads.setdefault(str(path), threading.Lock())
    if not mine.acquire(timeout=_PATIENCE):
        _give_up()
    try:
        descriptor = _open(path)
        try:
            _acquire(descriptor)
            yield
        finally:
            os.close(descriptor)  # which lets go of the lock
    finally:
        mine.release()


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise VaultUnavailable(f"{path} cannot be opened: {os.strerror(problem.errno or 0)}") from None


def _acquire(descriptor: int) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            _try(descriptor)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > end:
                _give_up()
            time.sleep(_NAP)
        except OSError:
            raise VaultUnavailable(
                "this file system has no locks", hint="Set KEYFOB_HOME to a folder on a local disk."
            ) from None
        else:
            return


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _try(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _give_up() -> NoReturn:
    """Say who is in the way.

    Raises:
        VaultUnavailable: Always.
    """
    raise VaultUnavailable("another keyfob holds the vault's lock and does not let go", hint="Try again.")

"""A lock between processes and between threads, in a file beside the protected file.

The lock is the operating system's file lock, which is released when the holder's process ends. Some file systems have
no locks: NFS without a lock server, some FUSE file systems. On these, the lock is a second file that contains the
holder's name. A process takes the lock by creating the second file if it does not exist. The holder touches the file
every 15 s. Another process removes the file if the holder is dead. A holder on the same machine is dead if its process
has ended. A holder on another machine counts as dead if it has not touched the file for 120 s.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn

from keyfob.client.io.vault.files import READ_ONLY
from keyfob.errors import Code, VaultUnavailable
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    import socket
else:  # 3 ms, and needed only on file systems without locks
    socket = LazyModule("socket")

_PATIENCE: Final = 60.0  # seconds: longer than the time limits of a refresh
_SILENCE: Final = 120.0  # seconds without a touch after which a holder on another machine counts as dead
_TOUCH: Final = 15.0  # seconds
_SOON: Final = 2.0  # seconds after which the user is told which process holds the lock
_NAP: Final = 0.05
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_threads: dict[str, threading.Lock] = {}
_threads_guard = threading.Lock()


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def system_lock(descriptor: int) -> None:
        """Lock an open file without waiting; raise `OSError` if it is already locked."""
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def system_lock(descriptor: int) -> None:
        """Lock an open file without waiting; raise `OSError` if it is already locked."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def locked(
    path: Path,
    lock: Callable[[int], None] = system_lock,
    patience: timedelta | None = None,
    on_wait: Callable[[int | None], object] | None = None,
) -> Generator[None]:
    """Wait for a lock, and hold it until the end of the block.

    Args:
        path: The lock's file.
        lock: The function that locks an open file. It raises `OSError` if the file is already locked, or if the file
            system has no locks.
        patience: The time to wait for the lock; None for a minute.
        on_wait: Called once if the lock is not free after 2 s, with the holder's process id or None.

    Raises:
        VaultUnavailable: The lock was held for all of `patience` (`vault-busy`), or the folder cannot be written
            (`vault-readonly`).
    """
    wait = _Wait(_PATIENCE if patience is None else patience.total_seconds(), on_wait)
    with _threads_guard:
        mine = _threads.setdefault(str(path), threading.Lock())
    while not mine.acquire(timeout=min(_SOON, wait.left())):
        wait.go_on(os.getpid())
    try:
        descriptor = _open(path)
        try:
            if _acquire(descriptor, lock, wait):
                _write_holder(descriptor)
                yield
            else:
                with _holding(path.with_name(f"{path.name}.held"), wait):
                    yield
        finally:
            os.close(descriptor)  # this releases the lock
    finally:
        mine.release()


class _Wait:
    """The time limit of waiting for a lock, and the time after which `on_wait` is called."""

    def __init__(self, seconds: float, on_wait: Callable[[int | None], object] | None) -> None:
        start = time.monotonic()
        self._end, self._tells_at = start + seconds, start + _SOON
        self._on_wait = on_wait

    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def go_on(self, holder: int | None) -> None:
        """Check the time limit, and after 2 s call `on_wait` once with the holder's process id.

        Raises:
            VaultUnavailable: The time limit has passed.
        """
        now = time.monotonic()
        if now >= self._end:
            _give_up()
        if self._on_wait is not None and now >= self._tells_at:
            self._on_wait(holder)
            self._on_wait = None


class Lock:
    """The lock of `locked` as a context manager for `with` and `async with`. Both block while they wait."""

    def __init__(self, path: Path, on_wait: Callable[[int | None], object] | None = None) -> None:
        """Store the arguments; the lock is not taken yet."""
        self._held = locked(path, on_wait=on_wait)

    def __enter__(self) -> None:
        """Wait for the lock. Raises the errors of `locked`."""
        self._held.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        self._held.__exit__(kind, problem, trace)

    async def __aenter__(self) -> None:
        """Wait for the lock, and block the event loop meanwhile. Raises the errors of `locked`."""
        self._held.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        self._held.__exit__(kind, problem, trace)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        code: Code | None = "vault-readonly" if problem.errno in READ_ONLY else None
        raise VaultUnavailable(f"{path} cannot be opened: {os.strerror(problem.errno or 0)}", code=code) from None


def _acquire(descriptor: int, lock: Callable[[int], None], wait: _Wait) -> bool:
    """Wait for the operating system's lock; return False if the file system has no locks."""
    while True:
        try:
            lock(descriptor)
        except (BlockingIOError, PermissionError):
            wait.go_on(_read_holder(descriptor))
            time.sleep(_NAP)
        except OSError as problem:
            if problem.errno in _NO_LOCKS:
                return False
            raise VaultUnavailable(f"the vault cannot be locked: {os.strerror(problem.errno or 0)}") from None
        else:
            return True


def _write_holder(descriptor: int) -> None:
    """Write this process's id to the lock's file, so that waiting processes can report it. Errors are ignored."""
    with contextlib.suppress(OSError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, b"%-10d" % os.getpid())


def _read_holder(descriptor: int) -> int | None:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = os.read(descriptor, 10).strip()
        os.lseek(descriptor, 0, os.SEEK_SET)  # Windows locks from the present position
    except OSError:  # on Windows, other processes cannot read a locked file
        return None
    return int(text) if text.isdigit() else None


@contextlib.contextmanager
def _holding(path: Path, wait: _Wait) -> Generator[None]:
    """Hold a lock that consists of a file. Touch the file regularly to show that its holder is alive."""
    name = f"{socket.gethostname()} {os.getpid()} {os.urandom(8).hex()}\n".encode()
    while not _make(path, name):
        if not _take_over(path):
            wait.go_on(_pid_of(_holder(path)))
        time.sleep(_NAP)
    done = threading.Event()
    threading.Thread(target=_touch, args=(path, name, done), name="keyfob-lock-touch", daemon=True).start()
    try:
        yield
    finally:
        done.set()
        if _holder(path) == name:  # another process may have taken the lock over
            with contextlib.suppress(OSError):
                path.unlink()


def _make(path: Path, name: bytes) -> bool:
    """Create the lock's file if it does not exist; return whether it was created. A hard link makes this atomic."""
    mine = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(name)
        os.link(mine, path)
    except FileExistsError:
        return False
    except OSError as problem:
        reason = os.strerror(problem.errno or 0)
        hint = "Set KEYFOB_HOME to a folder on a local disk."
        raise VaultUnavailable(f"this file system supports neither locks nor links: {reason}", hint=hint) from None
    else:
        return True
    finally:
        with contextlib.suppress(OSError):
            mine.unlink()


def _take_over(path: Path) -> bool:
    """Remove the lock's file if its holder is dead. Return whether the caller can try to create the file again.

    Return False if the file still exists, because its holder is alive or unknown. If several processes call this at the
    same time, one of them removes the file.
    """
    seen = _holder(path)
    if seen is None or not _is_dead(path, seen):
        return not path.exists()
    aside = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    with contextlib.suppress(OSError):
        path.rename(aside)
        if _holder(aside) != seen:  # another process was quicker, and this is the new holder's file
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()
        return True
    return not path.exists()


def _touch(path: Path, name: bytes, done: threading.Event) -> None:
    while not done.wait(_TOUCH):
        with contextlib.suppress(OSError):
            if _holder(path) == name:
                os.utime(path)  # without a time, so that the file server sets its own


def _is_dead(path: Path, holder: bytes) -> bool:
    host, pid, *_ = [*holder.decode("ascii", "replace").split(), "", ""]
    try:
        if host == socket.gethostname() and pid.isdigit() and os.name == "posix":
            os.kill(int(pid), 0)
            return False
        return _server_time(path) - path.stat().st_mtime > _SILENCE
    except ProcessLookupError:
        return True
    except OSError:
        return False


def _server_time(path: Path) -> float:
    """Return the file server's time, taken from a new file beside `path`. This machine's clock may differ by minutes.

    Raises:
        OSError: No file can be created beside `path`.
    """
    probe = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, b"?")
        os.fsync(descriptor)
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            probe.unlink()


def _pid_of(holder: bytes | None) -> int | None:
    """Return the process id of a lock's holder; None if the holder is unknown or on another machine."""
    host, pid, *_ = [*(holder or b"").decode("ascii", "replace").split(), "", ""]
    return int(pid) if host == socket.gethostname() and pid.isdigit() else None


def _holder(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _give_up() -> NoReturn:
    raise VaultUnavailable(
        "another process has had the vault's lock for too long", code="vault-busy", hint="Try again."
    )

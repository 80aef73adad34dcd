"""A server on a Unix socket for programs of the same user, which answers each request by calling a function."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from keyfob.client.io.agent.agent_socket import Peer, peer_of, receive
from keyfob.client.io.vault.files import home
from keyfob.client.model.agent_messages import LARGEST_REQUEST
from keyfob.errors import Misuse, SystemFailed

_FOLDER_MODE: Final = 0o700
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_PATIENCE: Final = timedelta(seconds=5)  # for a whole request
_MOST_AT_ONCE: Final = 32  # further callers wait in the kernel's queue
_BACKLOG: Final = 128
_NAP: Final = 0.1
_LONGEST_PATH: Final = 100  # sun_path has 108 bytes, elsewhere 104 (unix(7))

AnswerRequest = Callable[[bytes, Peer], bytes]


def default_socket() -> Path:
    """Return the default path of the agent's socket: in the user's runtime folder or, without one, beside the vault."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and not os.environ.get("KEYFOB_HOME"):
        return Path(runtime) / "keyfob-agent" / "socket"
    return home().absolute() / "agent" / "socket"


class AgentServer:
    """A server on a Unix socket that only this user may use. On exit, the context manager removes the socket.

    A running agent locks a file beside the socket. If that file is not locked, the socket is left from a killed agent.
    """

    def __init__(self, path: Path, answer: AnswerRequest) -> None:
        """Listen on the socket.

        Args:
            path: The path of the socket. A missing folder is created.
            answer: The function that returns the answer to a request. It is called in a thread and must not raise.

        Raises:
            Misuse: The folder is not private, another file exists at the path, or another agent uses the path.
            SystemFailed: The operating system does not create the socket.
        """
        self._path = path
        self._answer = answer
        self._closed = threading.Event()
        self._places = threading.BoundedSemaphore(_MOST_AT_ONCE)
        _check_folder(path)
        self._lock = _lock(path)
        try:
            self._socket = _listen(path)
            self._seen = _identity(path)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, and remove the socket. Requests that were already accepted are answered."""
        self._closed.set()
        with contextlib.suppress(OSError):
            if _identity(self._path) == self._seen:
                self._path.unlink()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # ends a wait in another thread
        self._socket.close()
        os.close(self._lock)

    def serve(self) -> None:
        """Answer requests until the socket is closed or an exception such as KeyboardInterrupt occurs."""
        while not self._closed.is_set():
            self._places.acquire()
            try:
                connection, _ = self._socket.accept()
            except OSError:  # no file descriptor is free, or the caller has gone
                self._places.release()
                self._closed.wait(_NAP)
                continue
            except BaseException:
                self._places.release()
                raise
            threading.Thread(target=self._serve_one, args=(connection,), name="keyfob-agent").start()

    def _serve_one(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                peer = peer_of(connection)
                if peer.user != os.geteuid():
                    return
                request = receive(connection, LARGEST_REQUEST, _PATIENCE)
                answer = self._answer(request, peer)
                connection.settimeout(_PATIENCE.total_seconds())
                connection.sendall(answer)
        finally:
            self._places.release()


def _check_folder(path: Path) -> None:
    """Create the socket's folder, and check that no other user can replace the socket.

    Raises:
        Misuse: Another user can replace the socket, or the path is too long.
        SystemFailed: The folder cannot be created.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise Misuse(
            f"the path of a socket can have {_LONGEST_PATH} bytes at most",
            hint="Choose another path.",
            flags="--socket PATH",
        )
    folder = path.parent
    try:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as problem:
        raise SystemFailed(f"the folder of the socket cannot be created: {problem.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        raise Misuse(
            f"other users can write to {folder}, so they could replace the socket",
            code="setting-unsafe",
            hint="Choose a private folder.",
            flags="--socket PATH",
        )


def _lock(path: Path) -> int:
    """Take the lock that shows that an agent runs, and return the file descriptor that holds the lock.

    Raises:
        Misuse: Another agent holds the lock.
        SystemFailed: The lock cannot be opened.
    """
    name = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise SystemFailed(f"{name} cannot be opened: {problem.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Misuse(f"an agent is already running at {path}", hint=f"Use it: export KEYFOB_AGENT={path}") from None
    return descriptor


def _listen(path: Path) -> socket.socket:
    """Bind a socket that only this user can open. A socket that a dead agent has left at the path is replaced.

    Raises:
        Misuse: The path exists and is not a socket.
        SystemFailed: The operating system does not create the socket.
    """
    try:
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
        else:
            raise Misuse(f"{path} exists and is not a socket", hint="Choose another path.", flags="--socket PATH")
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError as problem:
        listener.close()
        raise SystemFailed(f"the socket cannot be created: {problem.strerror}") from None
    finally:
        os.umask(before)
    return listener


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino

"""Files that only their owner may read: private from the first byte, and replaced atomically."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from io import BufferedWriter
from pathlib import Path
from typing import Final, NoReturn

from keyfob.errors import Code, Misuse, VaultUnavailable
from keyfob.io.folders import platform_folder

AGENT_VARIABLE: Final = "KEYFOB_AGENT"
_PROGRAM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")
_RESERVED: Final = "keyfob"
_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = 0o077
LATER_HINT: Final = "Use that version, or set KEYFOB_HOME to another folder."
# The errors of a disk or folder to which this user cannot write.
READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_IN_USE: Final = frozenset({5, 32})  # Windows: ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION
_NAPS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.3)  # seconds


def home() -> Path:
    """Return keyfob's state folder: `KEYFOB_HOME` if it is set, otherwise the platform's folder for state files."""
    return platform_folder("KEYFOB_HOME", "keyfob", unix_variable="XDG_STATE_HOME", unix_default=".local/state")


def program_home(program: str) -> Path:
    """Return the folder of a program's logins.

    If `KEYFOB_HOME` is set, return the folder `programs/NAME` in it. Otherwise, return the folder `login` in the
    program's own state folder.

    Raises:
        Misuse: `program` is not a valid name.
    """
    if not _PROGRAM.match(program) or program.endswith(".") or program.lower() == _RESERVED:
        hint = f"{_RESERVED} is reserved." if program.lower() == _RESERVED else ""
        raise Misuse(
            "a program's name consists of letters, digits, dots, dashes and underscores, 40 at most", hint=hint
        )
    if os.environ.get("KEYFOB_HOME"):
        return home() / "programs" / program
    return platform_folder("", program, unix_variable="XDG_STATE_HOME", unix_default=".local/state") / "login"


def agent_socket() -> Path | None:
    """Return the agent's socket from KEYFOB_AGENT; None if the variable is not set.

    Raises:
        Misuse: KEYFOB_AGENT is not an absolute path.
    """
    named = os.environ.get(AGENT_VARIABLE)
    if not named:
        return None
    if not Path(named).is_absolute():
        raise Misuse("KEYFOB_AGENT is not the absolute path of a socket", code="setting-wrong")
    return Path(named)


def make_folder(folder: Path) -> None:
    """Create a folder that only its owner may enter, or make an existing folder private.

    Raises:
        VaultUnavailable: The folder cannot be created, or belongs to another user.
    """
    try:
        # Path.mkdir applies its mode to the last folder only; the parents must be as private, for any umask.
        for missing in reversed([folder, *folder.parents]):
            if not missing.is_dir():
                missing.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        _check_owner(folder.stat(), folder)
        if os.name == "posix" and folder.stat().st_mode & _OTHERS:
            folder.chmod(_PRIVATE_FOLDER)
    except OSError as problem:
        _fail("cannot be created", folder, problem)


def read_private(path: Path) -> bytes | None:
    """Return a file's content, or None if there is no file.

    Raises:
        VaultUnavailable: The file cannot be read, or belongs to another user.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            _check_owner(found, path)
            if os.name == "posix" and found.st_mode & _OTHERS:
                _tighten(file.fileno())
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as problem:
        _fail("cannot be read", path, problem)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file atomically: a reader sees the old content or the new, even after a crash.

    Raises:
        VaultUnavailable: The file cannot be written; its old content is untouched.
    """
    with reserved(path, 0) as write:
        write(content)


@contextlib.contextmanager
def reserved(path: Path, size: int) -> Generator[Callable[[bytes], None]]:
    """Reserve disk space for a file's next content, and yield a function that replaces the file atomically.

    The disk space is taken by a temporary file of `size` bytes. The yielded function writes the content into the
    temporary file and renames that file to `path`.

    Args:
        path: The file to replace.
        size: The number of bytes to reserve. Writing longer content may still fail.

    Raises:
        VaultUnavailable: The file cannot be written; its old content is untouched.
    """
    make_folder(path.parent)
    if path.is_dir():
        _fail("cannot be written", path, OSError(errno.EISDIR, ""))
    fresh = path.with_name(f".{path.name}.{os.urandom(8).hex()}")

    def write(content: bytes) -> None:
        try:
            file.seek(0)
            file.write(content)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
            file.close()  # Windows renames no open file
            replace_file(fresh, path)
            _sync_folder(path.parent)
        except OSError as problem:
            _fail("cannot be written", path, problem)

    try:
        # O_EXCL with the mode: private from the first byte, for any umask, and never through a planted link.
        file = os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE), "wb")
    except OSError as problem:
        _fail("cannot be written", path, problem)
    try:
        if size:
            _fill(file, size, path)
        yield write
    finally:
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(OSError):
            fresh.unlink()


def _fill(file: BufferedWriter, size: int, path: Path) -> None:
    try:
        file.write(os.urandom(size))  # a file system that compresses reserves no space for zeros
        file.flush()
        os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as problem:
        _fail("cannot be written", path, problem)


def replace_file(fresh: Path, path: Path) -> None:
    """Rename `fresh` to `path`, and replace a file there.

    Windows refuses this while a reader has the old file open. So the function retries for up to a second.

    Raises:
        OSError: The file cannot be renamed.
    """
    for nap in _NAPS:
        try:
            fresh.replace(path)
        except PermissionError as problem:
            if getattr(problem, "winerror", None) not in _IN_USE:
                raise
            time.sleep(nap)
        else:
            return
    fresh.replace(path)


def sweep(path: Path) -> None:
    """Remove the temporary files that killed writers of `path` have left. The caller must hold the lock of `path`."""
    temporary = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]+")
    with contextlib.suppress(OSError):
        for left in path.parent.iterdir():
            if temporary.fullmatch(left.name):
                left.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file if it exists.

    Raises:
        VaultUnavailable: The file exists and cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as problem:
        _fail("cannot be removed", path, problem)


def stamp() -> str:
    """Return the present time (UTC) as text for the new name of a damaged file."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def set_aside(path: Path, stamp: str) -> Path:
    """Rename a damaged file, so that its content is not lost, and return the new path.

    Raises:
        VaultUnavailable: The file cannot be renamed.
    """
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    try:
        replace_file(path, aside)
    except OSError as problem:
        _fail("is damaged and cannot be renamed", path, problem)
    return aside


def stored_name(folder: Path, name: str) -> str:
    """Return a stored file's name that equals `name`, or else one that differs from it only in case, or else `name`.

    Names that differ only in case mean the same profile, because some file systems do not distinguish case.
    """
    try:
        stored = {path.stem for path in folder.iterdir() if path.suffix == ".json"}
    except OSError:
        return name
    return name if name in stored else min((found for found in stored if found.lower() == name.lower()), default=name)


def _tighten(descriptor: int) -> None:
    try:
        os.fchmod(descriptor, _PRIVATE_FILE)
    except OSError as problem:
        if problem.errno != errno.EROFS:  # a file on a read-only disk can still be read
            raise


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # a rename is durable once its folder is on the disk
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check_owner(found: os.stat_result, path: Path) -> None:
    if os.name == "posix" and found.st_uid != os.geteuid():
        raise VaultUnavailable(
            f"{path} belongs to another user", hint="Set KEYFOB_HOME to your own folder, or do not use sudo."
        )


def _fail(what: str, path: Path, problem: OSError) -> NoReturn:
    reason = os.strerror(problem.errno) if problem.errno else type(problem).__name__
    code: Code = "vault-readonly" if problem.errno in READ_ONLY else "vault-unavailable"
    message = f"{path} {what}: {reason}"
    raise VaultUnavailable(message, code=code, hint="Set KEYFOB_HOME to a folder that can be written.") from problem

"""The files in a tenant's folder, readable only by their owner."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Final

from keyfob.errors import Misuse
from keyfob.io.folders import platform_folder
from keyfob.server.start import MASTER_KEY_BYTES

MASTER_KEY: Final = "master.key"
_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022


def default_folder() -> Path:
    """Return the folder that `KEYFOB_DATA` names, or the platform's folder for application data."""
    return platform_folder("KEYFOB_DATA", "keyfob-tenant", unix_variable="XDG_DATA_HOME", unix_default=".local/share")


def master_key(folder: Path) -> bytes:
    """Return the master key in the tenant's folder. If there is none, create it.

    Raises:
        Misuse: The folder cannot be used, belongs to another user, or is writable by other users; or the file does not
            contain a key.
    """
    path = folder / MASTER_KEY
    prepare_folder(folder)
    try:
        with contextlib.suppress(FileExistsError):
            write_once(path, secrets.token_bytes(MASTER_KEY_BYTES))
        _make_private(path)
        found = path.read_bytes()
    except OSError as problem:
        raise Misuse(f"{folder} cannot be used: {problem.strerror}", hint="Choose another with --data.") from None
    if len(found) != MASTER_KEY_BYTES:
        raise Misuse(f"{path} is not a master key", hint="Restore the right key; without it the data is lost.")
    return found


def prepare_folder(folder: Path) -> None:
    """Create the tenant's folder, readable only by its owner.

    Raises:
        Misuse: The folder cannot be used, belongs to another user, or was writable by others.
    """
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        _make_private(folder, has_content=any(folder.iterdir()))
    except OSError as problem:
        raise Misuse(f"{folder} cannot be used: {problem.strerror}", hint="Choose another with --data.") from None


def exposed_file(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first of the named files that other users can read, or None. Change no file.

    If other users cannot enter the folder, they can read no file in it.
    """
    if os.name != "posix" or not folder.is_dir() or not folder.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH):
        return None
    files = (folder / name for name in names if (folder / name).is_file())
    return next((path for path in files if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)), None)


def _make_private(path: Path, *, has_content: bool = True) -> None:
    """Restrict the permissions of a file or a folder to its owner.

    Raises:
        Misuse: The file or folder belongs to another user, or has content that others could have written.
        OSError: The permissions cannot be changed.
    """
    if os.name != "posix":
        return
    found = path.stat()
    if found.st_uid != os.geteuid():
        hint = "Choose your own folder with --data, or do not use sudo."
        raise Misuse(f"{path} belongs to another user", hint=hint, code="setting-unsafe")
    if has_content and found.st_mode & _OTHERS_WRITE:
        hint = f"Check that everything in it is yours. Then run: chmod -R go-rwx {path}"
        raise Misuse(f"other users of this computer can write to {path}", hint=hint, code="setting-unsafe")
    if found.st_mode & _OTHERS:
        path.chmod(_PRIVATE_FOLDER if path.is_dir() else _PRIVATE_FILE)


def write_once(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Create a file with all of its content in one step.

    Raises:
        FileExistsError: The file exists already, and was not changed.
    """
    with _temporary(path, content, mode) as fresh:
        os.link(fresh, path)


def replace(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file atomically."""
    with _temporary(path, content, mode) as fresh:
        fresh.replace(path)


@contextlib.contextmanager
def _temporary(path: Path, content: bytes, mode: int) -> Generator[Path]:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)

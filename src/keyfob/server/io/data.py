"""The files in a tenant's folder, readable only by their owner, and the audit log."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final

from keyfob.errors import Misuse
from keyfob.io.folders import platform_folder
from keyfob.server.start import MASTER_KEY_BYTES

_LOG: Final = logging.getLogger("keyfob.audit")


def default_folder() -> Path:
    """Return `KEYFOB_DATA`, or the platform's folder for application data."""
    return platform_folder("KEYFOB_DATA", "keyfob-tenant", unix_variable="XDG_DATA_HOME", unix_default=".local/share")


def master_key(folder: Path) -> bytes:
    """Return the master key, from which the other keys are derived. Create it at the first start.

    Raises:
        Misuse: The folder cannot be used, or the file is not a key.
    """
    path = folder / "master.key"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            write_once(path, secrets.token_bytes(MASTER_KEY_BYTES))
        found = path.read_bytes()
    except OSError as problem:
        raise Misuse(f"{folder} cannot be used: {problem.strerror}", hint="Choose another with --data.") from None
    if len(found) != MASTER_KEY_BYTES:
        raise Misuse(f"{path} is not a master key", hint="Bring back the right one; without it the data is lost.")
    return found


def write_once(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Create a file atomically, by a hard link to a temporary file.

    Raises:
        FileExistsError: The file exists; it is not changed.
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


def audit_log(event: Mapping[str, object]) -> None:
    """Write an event as one line of JSON to the logger `keyfob.audit`."""
    if _LOG.isEnabledFor(logging.INFO):
        _LOG.info("%s", json.dumps(event, ensure_ascii=False))

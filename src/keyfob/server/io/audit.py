"""The audit log: each event as one line of JSON, in a file that is rotated, on standard output, or to a logger."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
import sys
from collections.abc import Generator, Mapping
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from keyfob.errors import Misuse
from keyfob.server.ports import Audit

FILE_NAME: Final = "audit.jsonl"
_MOST_BYTES: Final = 10 * 1024 * 1024
_OLD_FILES: Final = 9
_LOG: Final = logging.getLogger("keyfob.audit")
_SERVE_LOG: Final = logging.getLogger("keyfob.serve")


def audit_log(event: Mapping[str, object]) -> None:
    """Write an event to the logger `keyfob.audit`."""
    if _LOG.isEnabledFor(logging.INFO):
        _LOG.info("%s", _line(event))


@contextlib.contextmanager
def audit_to(place: str, folder: Path) -> Generator[Audit]:
    """Open the audit log that a command names, and close it in the end.

    Args:
        place: A file, `-` for standard output, `off`, or "" for the file `audit.jsonl` in the tenant's folder.
        folder: The tenant's folder.

    Raises:
        Misuse: The file cannot be written.
    """
    if place in {"off", "-"}:
        yield _print_event if place == "-" else _drop_event
        return
    with contextlib.closing(AuditFile(Path(place) if place else folder / FILE_NAME)) as log:
        yield log


class AuditFile:
    """An audit log in a file that only its owner may read. At 10 MiB it is renamed, and nine old files are kept.

    Attributes:
        lost: The number of events that could not be written.
    """

    def __init__(self, path: Path, most_bytes: int = _MOST_BYTES) -> None:
        """Open or create the file.

        Raises:
            Misuse: It cannot be written.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._handler = _PrivateFiles(path, maxBytes=most_bytes, backupCount=_OLD_FILES, encoding="utf-8")
        except OSError as problem:
            hint = "Choose another with --audit FILE; --audit off does without."
            raise Misuse(f"the audit log {path} cannot be written: {problem.strerror}", hint=hint) from None

    def __call__(self, event: Mapping[str, object]) -> None:
        self._handler.handle(logging.LogRecord("keyfob.audit", logging.INFO, "", 0, "%s", (_line(event),), None))

    @property
    def lost(self) -> int:
        return self._handler.lost

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a full disk
            self._handler.close()


class _PrivateFiles(RotatingFileHandler):
    lost = 0

    def _open(self) -> TextIOWrapper:
        # Not through a planted link, and private from the first byte, for any umask.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self.baseFilename, flags, 0o600)
        if os.name == "posix" and stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name of logging
        """Warn, since a full disk must not stop logins; the event itself stays out of the other logs."""
        del record
        self.lost += 1
        problem = sys.exc_info()[1]
        _SERVE_LOG.warning("an event could not be written to the audit log (%s)", type(problem).__name__)


def _drop_event(event: Mapping[str, object]) -> None:
    del event


def _print_event(event: Mapping[str, object]) -> None:
    sys.stdout.write(_line(event) + "\n")
    sys.stdout.flush()


def _line(event: Mapping[str, object]) -> str:
    return json.dumps(event, ensure_ascii=False)

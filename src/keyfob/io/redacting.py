"""A logging filter that removes secrets from the log records of keyfob and of its HTTP library."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Generator
from typing import Final, TextIO

from keyfob.errors import KeyfobError
from keyfob.protocol.redact import redact

# A filter applies to its own logger only, not to that logger's children.
NOISY: Final = (
    "httpx2", "httpcore2.connection", "httpcore2.http11", "httpcore2.http2", "httpcore2.proxy", "httpcore2.socks",
    "keyfob", "keyfob.audit", "keyfob.guard", "keyfob.serve",
)  # fmt: skip


class Redacting(logging.Filter):
    """A filter that drops no log record, but redacts the secrets in each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, None
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = redact(_trace(record.exc_info[1]))
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


def _trace(problem: BaseException) -> str:
    """Format an error and its causes without their messages, which could contain secrets."""
    parts: list[str] = []
    seen: set[int] = set()
    at: BaseException | None = problem
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        parts.append("".join(traceback.format_tb(at.__traceback__)) + type(at).__qualname__ + _harmless_words(at))
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return "\ncame after:\n".join(parts)


def _harmless_words(problem: BaseException) -> str:
    """Return the part of an error's text that contains no secret; "" if there is none.

    This part is the message of keyfob's error, the system's text for an error number, or the name of an SQLite error.
    """
    match problem:
        case KeyfobError():
            return f": {problem.message}"
        case OSError(errno=int() as number):
            return f": {os.strerror(number)}"
        case _:
            name = getattr(problem, "sqlite_errorname", "")
            return f": {name}" if name else ""


_FILTER: Final = Redacting()


def guard_log(*others: str) -> None:
    """Add the filter to the loggers whose records could contain secrets. Repeated calls have no effect.

    Args:
        others: Additional loggers. Name them only in keyfob's own processes: the filter removes the messages of errors,
            and another application may need these messages.
    """
    for name in (*NOISY, *others):
        logging.getLogger(name).addFilter(_FILTER)


@contextlib.contextmanager
def log_to(stream: TextIO) -> Generator[None]:
    """Write the log of keyfob and its libraries to a stream, in full detail and without secrets."""
    guard_log()
    handler = logging.StreamHandler(stream)
    handler.addFilter(_FILTER)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)

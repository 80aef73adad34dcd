"""A filter for the log: what our HTTP library writes there, and what we do, holds no secret."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Generator
from typing import Final, TextIO

from keyfob.errors import KeyfobError
from keyfob.protocol.redact import redact

# A filter sees only what is written by its own logger, not by those below.
NOISY: Final = (
    "httpx2", "httpcore2.connection", "httpcore2.http11", "httpcore2.http2", "httpcore2.proxy", "httpcore2.socks",
    "keyfob", "keyfob.audit", "keyfob.guard", "keyfob.serve",
)  # fmt: skip


class Redacting(logging.Filter):
    """Lets everything through, without its secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record where it has to be."""
        said = record.getMessage()
        clean = redact(said)
        if clean != said:
            record.msg, record.args = clean, None
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = redact(_trace(record.exc_info[1]))
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


def _trace(problem: BaseException) -> str:
    """Where an error came from, and those that it came from. What it says could be anything, so it is left out."""
    parts: list[str] = []
    seen: set[int] = set()
    at: BaseException | None = problem
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        parts.append("".join(traceback.format_tb(at.__traceback__)) + type(at).__qualname__ + _harmless_words(at))
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return "\ncame after:\n".join(parts)


def _harmless_words(problem: BaseException) -> str:
    """What an error says where that is known to be no secret: our own words, and numbers of the system and SQLite."""
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
    """Put the filter where our secrets could come by; more than once does no harm.

    Args:
        others: Loggers that are not ours, in a process that is: the filter leaves out what errors say, and another's
            program may want to read that.
    """
    for name in (*NOISY, *others):
        logging.getLogger(name).addFilter(_FILTER)


@contextlib.contextmanager
def log_to(stream: TextIO) -> Generator[None]:
    """Everything that any library logs, down to the last detail, without secrets."""
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

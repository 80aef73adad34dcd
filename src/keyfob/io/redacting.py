"""A filter for the log: what our HTTP library writes there, and what we do, holds no secret."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator
from typing import Final, TextIO

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
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True


_FILTER: Final = Redacting()


def guard_log() -> None:
    """Put the filter where our secrets could come by; more than once does no harm."""
    for name in NOISY:
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

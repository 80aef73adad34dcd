"""Every byte that is printed.

Rules of speech: results go to stdout, everything else to stderr. `--json` gives one object per line on stdout, and
errors too are objects then. Nothing that a server sent is printed as it came. Only `token` prints a secret.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from keyfob.client.model.notices import Notice, VaultNote, printable
from keyfob.errors import KeyfobError

PAGE = "docs/errors.md"
CERTIFICATE_NEEDED = (
    "this token works only over connections that show this login's certificate, as keyfob call makes them; with curl: "
    "--cert FILE --key FILE"
)


def result(text: str) -> None:
    """One line of result."""
    sys.stdout.write(printable(text) + "\n")
    sys.stdout.flush()


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, their cells below one another."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def result_object(members: Mapping[str, object]) -> None:
    """One JSON object on a line of its own; ASCII, so that no terminal and no pipe can spoil it."""
    sys.stdout.write(json.dumps(members) + "\n")
    sys.stdout.flush()


def result_bytes(piece: bytes) -> None:
    """Somebody's bytes as they are; a program is meant to read them."""
    sys.stdout.flush()
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def remark(text: str) -> None:
    """One line beside the result."""
    sys.stderr.write(f"keyfob: {printable(text)}\n")
    sys.stderr.flush()


def notice(what: Notice) -> None:
    """What a session has to say beside the result."""
    if isinstance(what, VaultNote):
        remark(what.text)


def detail(text: str) -> None:
    """One line below a remark: what to do about it."""
    sys.stderr.write(f"        {printable(text)}\n")
    sys.stderr.flush()


def agreed(question: str) -> bool:
    """Whether the person at the terminal says yes; silence and anything else is no."""
    sys.stderr.write(f"keyfob: {printable(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def failure(problem: KeyfobError, *, as_json: bool) -> int:
    """An error in words, or as an object: what happened, what to do, where to read on. Gives its exit code."""
    if as_json:
        result_object({"error": told(problem)})
        return problem.exit
    remark(problem.message)
    for line in (problem.hint, f"{PAGE}#{problem.code}"):
        if line:
            detail(line)
    return problem.exit


def told(problem: KeyfobError) -> dict[str, object]:
    """An error for a program."""
    return {"code": problem.code, "message": problem.message, "hint": problem.hint, "exit": problem.exit}


def surprise(problem: BaseException | None) -> None:
    """An error that nobody foresaw. The trace never holds what the error says: that could be a secret."""
    if problem is None or isinstance(problem, SystemExit):
        return
    remark(f"this should not have happened ({type(problem).__name__}); KEYFOB_DEBUG=1 shows where")
    if os.environ.get("KEYFOB_DEBUG") == "1":
        sys.stderr.writelines(traceback.format_tb(problem.__traceback__))


def mind_what_nobody_catches() -> None:
    """An error in a thread, or in what is cleaned up, is as much a surprise as any; Python would print all it says."""
    threading.excepthook = lambda lost: surprise(lost.exc_value)
    sys.unraisablehook = lambda lost: surprise(lost.exc_value)


def prepare() -> None:
    """Print what the terminal's alphabet lacks as escapes instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # not there where replaced


def hang_up() -> None:
    """Whoever read our output has gone: say no more, not even at the end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def instant(when: datetime | None) -> str | None:
    """A moment for a program: RFC 3339, UTC, whole seconds."""
    return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(when: datetime) -> str:
    """A moment for a person, in this machine's time zone."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M")


def span(length: timedelta) -> str:
    """A length of time for a person."""
    minutes = int(length.total_seconds()) // 60
    if minutes >= 120:
        return f"{minutes // 60} h"
    return f"{minutes} min" if minutes else f"{int(length.total_seconds())} s"

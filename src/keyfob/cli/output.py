"""Output of all commands.

Results go to stdout, everything else to stderr. With `--json`, results and errors are JSON objects, one per line on
stdout. Text from a server is made printable first. Only `token` prints a secret.
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

CERTIFICATE_NEEDED = (
    "this token works only over connections that show this login's certificate, as keyfob call makes them; with curl: "
    "--cert FILE --key FILE"
)


def result(text: str) -> None:
    """Print one line of result."""
    sys.stdout.write(printable(text) + "\n")
    sys.stdout.flush()


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as aligned lines."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def result_object(members: Mapping[str, object]) -> None:
    """Print one JSON object on a line; ASCII only, so that no terminal encoding can alter it."""
    sys.stdout.write(json.dumps(members) + "\n")
    sys.stdout.flush()


def result_bytes(piece: bytes) -> None:
    """Write the body of an API's answer unchanged."""
    sys.stdout.flush()
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def remark(text: str) -> None:
    """Print one line to stderr."""
    sys.stderr.write(f"keyfob: {printable(text)}\n")
    sys.stderr.flush()


def notice(shown: Notice) -> None:
    """Print a session's notice about the vault."""
    if isinstance(shown, VaultNote):
        remark(shown.text)


def detail(text: str) -> None:
    """Print an indented line below a remark, such as a hint."""
    sys.stderr.write(f"        {printable(text)}\n")
    sys.stderr.flush()


def has_user() -> bool:
    """Return whether a user at a terminal can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def asked(question: str, default: str = "") -> str:
    """Ask for a line at the terminal; an empty one means the default."""
    offered = f" [{printable(default)}]" if default else ""
    sys.stderr.write(f"keyfob: {printable(question)}{offered}: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() or default


def agreed(question: str) -> bool:
    """Ask a yes/no question at the terminal. Anything but "y" or "yes" is no."""
    sys.stderr.write(f"keyfob: {printable(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def failure(problem: KeyfobError, *, as_json: bool) -> int:
    """Print an error with its hint and its help, or as a JSON object. Return its exit code.

    An error that a program can act on, by running a command where a user is, is printed in both ways.
    """
    if as_json or problem.more:
        result_object({"error": error_members(problem)})
    if as_json:
        return problem.exit
    remark(problem.message)
    for line in (problem.hint, f"More: keyfob help {problem.code}"):
        if line:
            detail(line)
    return problem.exit


def error_members(problem: KeyfobError) -> dict[str, object]:
    """Return an error as JSON members."""
    members = {"code": problem.code, "message": problem.message, "hint": problem.hint, "exit": problem.exit}
    return {**members, **problem.more}


def unexpected(problem: BaseException | None) -> None:
    """Report an unexpected error. The trace leaves out the error's message, which could contain a secret."""
    if problem is None or isinstance(problem, SystemExit):
        return
    remark(f"this should not have happened ({type(problem).__name__}); KEYFOB_DEBUG=1 shows where")
    if os.environ.get("KEYFOB_DEBUG") == "1":
        sys.stderr.writelines(traceback.format_tb(problem.__traceback__))


def hook_uncaught_errors() -> None:
    """Report errors in threads and finalizers likewise; Python would print their messages."""
    threading.excepthook = lambda lost: unexpected(lost.exc_value)
    sys.unraisablehook = lambda lost: unexpected(lost.exc_value)


def prepare() -> None:
    """Print characters that the terminal's encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a replaced stream may lack it


def discard_output() -> None:
    """Discard stdout after its reader has closed the pipe, including the flush at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def instant(when: datetime | None) -> str | None:
    """Return a time for JSON: RFC 3339, UTC, whole seconds."""
    return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(when: datetime) -> str:
    """Return a time for people, in the local time zone."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M")


def span(length: timedelta) -> str:
    """Return a duration for people."""
    minutes = int(length.total_seconds()) // 60
    if minutes >= 120:
        return f"{minutes // 60} h"
    return f"{minutes} min" if minutes else f"{int(length.total_seconds())} s"

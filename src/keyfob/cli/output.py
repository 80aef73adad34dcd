"""Output of all commands.

Results go to stdout, everything else to stderr. With `--json`, results and errors are JSON objects, one per line on
stdout. Unprintable characters in text from a server are replaced. Only `token` and `helper` print a token.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import textwrap
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from keyfob.client.model.display import clock as clock
from keyfob.client.model.display import instant as instant
from keyfob.client.model.display import printable
from keyfob.client.model.display import span as span
from keyfob.errors import KeyfobError, SystemFailed
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    import json
    import traceback

    from keyfob.client.model import notices
else:  # importing these takes 15 ms, and `keyfob --help` does not need them
    json = LazyModule("json")
    traceback = LazyModule("traceback")
    notices = LazyModule("keyfob.client.model.notices")

# The error numbers of failed writes to a stream. An OSError of a file has a file name, or was converted before.
_OF_STREAMS = frozenset({errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
CERTIFICATE_NEEDED = (
    "this token works only on connections with this login's client certificate: use keyfob "
    "call, or curl with --cert FILE --key FILE"
)


def result(text: str) -> None:
    """Print one line of the result."""
    sys.stdout.write(printable(text) + "\n")
    sys.stdout.flush()


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line for each row, with aligned columns."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def result_object(members: Mapping[str, object]) -> None:
    """Print one JSON object on a line, in ASCII only, so that no terminal encoding can alter the text."""
    sys.stdout.write(json.dumps(members) + "\n")
    sys.stdout.flush()


def result_bytes(piece: bytes) -> None:
    """Write a part of the body of an API's response, unchanged."""
    sys.stdout.flush()
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def remark(text: str) -> None:
    """Print a remark to stderr as one line, which is wrapped if stderr is a terminal."""
    sys.stderr.write(_wrapped(f"keyfob: {printable(text)}", "        "))
    sys.stderr.flush()


def notice(shown: notices.Notice) -> None:
    """Print a session's notice about the vault."""
    if isinstance(shown, notices.VaultNote):
        remark(shown.text)


def detail(text: str) -> None:
    """Print an indented line below a remark, such as a hint. A command is not wrapped, so that users can copy it."""
    sentences, command, rest = printable(text).partition("keyfob ")
    is_command = sentences.rstrip().endswith(":") and "\n" not in rest
    line = f"        {sentences}{command}{rest}"
    sys.stderr.write(f"{line}\n" if is_command else _wrapped(line, "        "))
    sys.stderr.flush()


def _wrapped(text: str, later: str) -> str:
    """Return a text for stderr, wrapped into lines if stderr is a terminal, else as one line."""
    width = 0
    with contextlib.suppress(OSError, ValueError, AttributeError):  # stderr is not a terminal
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    if not width:
        return f"{text}\n"
    return (
        textwrap.fill(text, max(width - 1, 24), subsequent_indent=later, break_long_words=False, break_on_hyphens=False)
        + "\n"
    )


def has_user() -> bool:
    """Return whether a user at a terminal can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def asked(question: str, default: str = "") -> str:
    """Ask for a line at the terminal. An empty line means the default."""
    offered = f" [{printable(default)}]" if default else ""
    sys.stderr.write(f"keyfob: {printable(question)}{offered}: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() or default


def agreed(question: str) -> bool:
    """Ask a yes/no question at the terminal. Any answer but "y" or "yes" means no."""
    sys.stderr.write(f"keyfob: {printable(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def failure(problem: KeyfobError, *, as_json: bool) -> int:
    """Print an error with its hint and its help command, or as a JSON object. Return the exit code of the error.

    If the error contains a command for a calling program to run, the JSON object is printed in addition to the text.
    """
    if as_json or problem.more:
        result_object({"error": error_members(problem)})
    if as_json:
        return problem.exit
    remark(problem.message)
    for line in (problem.hint_with_flags, f"More: keyfob help {problem.code}"):
        if line:
            detail(line)
    return problem.exit


def error_members(problem: KeyfobError) -> dict[str, object]:
    """Return an error as JSON members."""
    members = {"code": problem.code, "message": problem.message, "hint": problem.hint_with_flags, "exit": problem.exit}
    return {**members, **problem.more}


def unexpected(problem: BaseException | None) -> None:
    """Print an unexpected error. The message of the exception is left out, since it could contain a secret."""
    if problem is None or isinstance(problem, SystemExit):
        return
    remark(f"unexpected error ({type(problem).__name__}), a bug in keyfob; KEYFOB_DEBUG=1 shows where")
    trace(problem)


def trace(problem: BaseException) -> None:
    """If KEYFOB_DEBUG is 1, print where an error was raised, without the message of the error."""
    if os.environ.get("KEYFOB_DEBUG") == "1":
        sys.stderr.writelines(traceback.format_tb(problem.__traceback__))


def hook_uncaught_errors() -> None:
    """Let `unexpected` report errors in threads and finalizers. Python itself would print their messages."""
    threading.excepthook = lambda lost: unexpected(lost.exc_value)
    sys.unraisablehook = lambda lost: unexpected(lost.exc_value)


def prepare() -> None:
    """Let stdout and stderr escape characters that their encoding lacks. Replace a closed stdout."""
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(_Closed(), write_through=True)
    if sys.stderr is None:
        sys.stderr = io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a replaced stream may lack it


class _Closed(io.RawIOBase):
    """The replacement for `sys.stdout`, which is None if stdout was closed before Python started."""

    name = "<stdout>"

    def writable(self) -> bool:
        return True

    def write(self, _: object, /) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def system_failure(problem: OSError) -> SystemFailed:
    """Convert an `OSError` to an error of keyfob, without the file name: a user may have typed a secret there."""
    reason = problem.strerror or type(problem).__name__
    trace(problem)
    if is_of_stdout(problem):
        discard_output()
        return SystemFailed(f"the result cannot be written to stdout: {reason}")
    if not _has_folder():
        return SystemFailed("the working folder has been deleted", hint="Run the command in another folder.")
    return SystemFailed(f"the operating system refused: {reason}", hint="KEYFOB_DEBUG=1 shows where.")


def is_of_stdout(problem: OSError) -> bool:
    """Return whether the error occurred when writing to stdout."""
    return problem.errno in _OF_STREAMS and problem.filename is None


def _has_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109  pathlib takes 4 ms
    except OSError:
        return False
    return True


def discard_output() -> None:
    """Discard all further output to stdout, even the flush at exit. This is for a pipe that its reader has closed."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stdout.flush()

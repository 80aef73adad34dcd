"""A login on a terminal: the address, the code in large type, a QR of the address, the time left.

Rules of speech here: everything goes to stderr, for stdout is for results. No colour, no QR and no countdown where
nobody sits at a terminal. What a server sent is never printed as it came: control characters are taken out.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from datetime import timedelta
from typing import TextIO

from keyfob.client.notices import (
    BrowserOpened,
    CodeShown,
    NetworkTrouble,
    Notice,
    ScopeNarrowed,
    SlowedDown,
    StillPending,
    printable,
)

HONEST_LINE = "Approve only if you started this yourself; nobody from support will ever ask you to."
_INDENT = 4


class Terminal:
    """Shows one login."""

    def __init__(self, out: TextIO, *, live: bool, colour: bool, columns: int = 80) -> None:
        """Know the screen.

        Args:
            out: Where to write.
            live: Whether somebody watches: countdown and QR make sense.
            colour: Whether to use bold type.
            columns: The width.
        """
        self._out = out
        self._live = live
        self._colour = colour
        self._columns = columns
        self._ends: float | None = None
        self._line = ""

    @classmethod
    def of_process(cls) -> Terminal:
        """This process's stderr."""
        live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        return cls(
            sys.stderr,
            live=live,
            colour=live and not os.environ.get("NO_COLOR"),
            columns=shutil.get_terminal_size().columns,
        )

    def tell(self, notice: Notice) -> None:
        """Show a notice."""
        match notice:
            case BrowserOpened():
                self._show_address(notice)
            case CodeShown():
                self._show_code(notice)
            case StillPending():
                pass  # the countdown says so
            case SlowedDown():
                self._say_slower(notice)
            case NetworkTrouble():
                self._say(f"{printable(notice.what)}; still waiting, next try in {_span(notice.next_in)}")
            case ScopeNarrowed():
                self._say(f"granted without: {printable(', '.join(notice.missing))}")

    def tick(self) -> None:
        """A second has passed."""
        if not (self._live and self._ends):
            return
        left = timedelta(seconds=max(0, self._ends - time.monotonic()))
        self._rewrite(f"waiting for you to approve, {_span(left)} left (Ctrl-C to stop)")

    def clear(self) -> None:
        """Take the countdown away."""
        self._rewrite("")

    def _show_code(self, notice: CodeShown) -> None:
        self._ends = time.monotonic() + notice.expires_in.total_seconds()
        address, code = printable(notice.verification_uri), printable(notice.user_code)
        lines = ["", *self._wrapped("To log in, open this address on any device:")]
        lines += ["", f"    {self._bold(address)}", ""]
        if self._live:
            lines += self._picture(notice.verification_uri)
        lines += ["and enter this code:", "", f"    {self._bold(self._large(code))}", ""]
        lines += [f"The code is good for {_span(notice.expires_in)}.", *self._wrapped(HONEST_LINE), ""]
        self._out.write("\n".join(lines) + "\n")
        self._out.flush()

    def _show_address(self, notice: BrowserOpened) -> None:
        self._ends = time.monotonic() + notice.expires_in.total_seconds()
        said = "Your browser was opened. If it shows nothing, open this address in it:"
        first = said if notice.has_opened else "To log in, open this address in a browser on this machine:"
        lines = ["", *self._wrapped(first), "", f"    {self._bold(printable(notice.address))}", ""]
        self._out.write("\n".join(lines) + "\n")
        self._out.flush()

    def _large(self, code: str) -> str:
        spaced = "  ".join(code)
        return spaced if self._live and len(spaced) + _INDENT <= self._columns else code

    def _wrapped(self, text: str) -> list[str]:
        return textwrap.wrap(text, max(self._columns - 1, 20)) if self._live else [text]

    def _picture(self, address: str) -> list[str]:
        import segno

        matrix = [
            [bool(cell) for cell in row] for row in segno.make(address, error="l", micro=False).matrix_iter(border=2)
        ]
        if len(matrix[0]) + _INDENT > self._columns or not _speaks_unicode(self._out):
            return []
        if len(matrix) % 2:
            matrix.append([False] * len(matrix[0]))
        rows = zip(matrix[::2], matrix[1::2], strict=True)
        # Dark on light is what cameras expect: light cells are drawn white, dark ones are left black.
        drawn = ["".join(" ▀▄█"[(not up) + 2 * (not down)] for up, down in zip(*pair, strict=True)) for pair in rows]
        # With colour, white on black whatever the terminal's own ground is.
        return [f"    {self._inked(line)}" for line in drawn] + [""]

    def _say_slower(self, notice: SlowedDown) -> None:
        if notice.times == 1:
            return
        self._say(
            f"the server asks for a slower pace again, every {_span(notice.interval)} now; "
            "this machine's clock may run fast"
        )

    def _say(self, text: str) -> None:
        self._rewrite("")
        self._out.write(f"keyfob: {text}\n")
        self._out.flush()

    def _rewrite(self, text: str) -> None:
        text = text[: self._columns - 1]
        if not self._live or text == self._line:
            return
        self._out.write(f"\r{text}{' ' * (len(self._line) - len(text))}" + ("" if text else "\r"))
        self._out.flush()
        self._line = text

    def _inked(self, line: str) -> str:
        return f"\x1b[97;40m{line}\x1b[0m" if self._colour else line

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._colour else text


def _span(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds // 60} min {seconds % 60:02} s"


def _speaks_unicode(out: TextIO) -> bool:
    return (getattr(out, "encoding", None) or "").lower().replace("-", "") == "utf8"

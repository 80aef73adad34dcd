"""Read what the user types during a login: a single key, or a pasted line. Nothing is echoed or read ahead.

In the usual (canonical) mode, a terminal cuts a line after 4,095 characters. A redirect URI can be longer, so this
module reads the terminal key by key, and restores the terminal's mode afterwards.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

LONGEST: Final = 64 * 1024
_INTERRUPT: Final = "\x03"


class Keyboard:
    """This process's terminal, read without blocking."""

    def __init__(self) -> None:
        """Switch the terminal to reading key by key."""
        self._typed = ""
        self._restore = _read_by_key()

    def read(self) -> str | None:
        """Return a pressed key, or a pasted text once its line has ended; None without input."""
        piece = _pending()
        if len(piece) == 1 and not self._typed and piece.isprintable():
            return piece
        self._typed = (self._typed + piece)[-LONGEST:]
        line, ended, self._typed = _first_line(self._typed)
        return line.strip() or None if ended else None

    def close(self) -> None:
        """Restore the terminal."""
        self._restore()


def _first_line(typed: str) -> tuple[str, bool, str]:
    for number, letter in enumerate(typed):
        if letter in "\r\n":
            return typed[:number], True, typed[number + 1 :].lstrip("\r\n")
    return "", False, typed


if sys.platform == "win32":  # pragma: no cover
    import msvcrt
    from collections.abc import Callable

    def _read_by_key() -> Callable[[], None]:
        return lambda: None

    def _pending() -> str:
        typed = ""
        while msvcrt.kbhit() and len(typed) < LONGEST:
            typed += msvcrt.getwch()
        if _INTERRUPT in typed:
            raise KeyboardInterrupt
        return typed

else:
    import select
    import termios
    from collections.abc import Callable

    def _read_by_key() -> Callable[[], None]:
        """Make the terminal deliver each key at once, without echo. Return a function that restores the terminal.

        Ctrl-C and Ctrl-Z work as usual.
        """
        descriptor = sys.stdin.fileno()
        try:
            before = termios.tcgetattr(descriptor)
        except termios.error:
            return lambda: None
        ours = termios.tcgetattr(descriptor)
        ours[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(descriptor, termios.TCSANOW, ours)

        def restore() -> None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

        return restore

    def _pending() -> str:
        descriptor, found = sys.stdin.fileno(), b""
        while len(found) < LONGEST and select.select([descriptor], [], [], 0)[0]:
            piece = os.read(descriptor, LONGEST)
            if not piece:  # the terminal was closed
                break
            found += piece
        return found.decode(errors="replace")

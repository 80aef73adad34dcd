"""What a person types while a login waits: one key, or something pasted. Nothing is shown, nothing is read ahead.

A terminal in its usual mode cuts a line after 4,095 characters, which an address with a code can have; so it is read
key by key, and put back as it was.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

LONGEST: Final = 64 * 1024
_INTERRUPT: Final = "\x03"


class Keyboard:
    """This process's terminal, read without waiting."""

    def __init__(self) -> None:
        """Take the terminal out of its usual mode."""
        self._typed = ""
        self._restore = _listen_closely()

    def read(self) -> str | None:
        """A key by itself, or what was pasted once its line has ended; None if there is nothing yet."""
        piece = _pending()
        if len(piece) == 1 and not self._typed and piece.isprintable():
            return piece
        self._typed = (self._typed + piece)[-LONGEST:]
        line, ended, self._typed = _first_line(self._typed)
        return line.strip() or None if ended else None

    def close(self) -> None:
        """Put the terminal back."""
        self._restore()


def _first_line(typed: str) -> tuple[str, bool, str]:
    for number, letter in enumerate(typed):
        if letter in "\r\n":
            return typed[:number], True, typed[number + 1 :].lstrip("\r\n")
    return "", False, typed


if sys.platform == "win32":  # pragma: no cover
    import msvcrt
    from collections.abc import Callable

    def _listen_closely() -> Callable[[], None]:
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

    def _listen_closely() -> Callable[[], None]:
        """Key by key and without echo; Ctrl-C and Ctrl-Z still do what they do."""
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
            if not piece:  # the terminal has gone
                break
            found += piece
        return found.decode(errors="replace")

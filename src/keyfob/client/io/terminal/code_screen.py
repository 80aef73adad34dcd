"""The screen of a device login: the address and the code, beside or below a QR code of the address (RFC 8628 §3.3)."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    import segno
else:  # only a device login on a terminal needs it
    segno = LazyModule("segno")

_INDENT: Final = "    "
_GAP: Final = "   "
_COUNTDOWN: Final = 2  # the line of the countdown, and the line of the cursor


@dataclass(frozen=True, slots=True)
class CodeScreen:
    """The texts on the screen of a device login.

    Attributes:
        address: The address to open, printable.
        code: The code to type, as displayed.
        good_for: The code's remaining lifetime, as displayed.
        warning: The line that warns of phishing.
        bold: A function that returns a text in bold type.
    """

    address: str
    code: str
    good_for: str
    warning: str
    bold: Callable[[str], str]

    def lines(self, picture: Sequence[str], width: int, columns: int, rows: int) -> list[str]:
        """Return the lines of the screen, without the QR code if the screen is too small for it.

        Args:
            picture: The lines of the QR code; () for none.
            width: The width of the QR code, in columns.
            columns: The width of the screen.
            rows: The height of the screen, in lines.
        """
        room = columns - 1 - len(_INDENT + _GAP) - width
        below = self._below(picture, columns)
        if not picture:
            return below
        if max(len(self.address), len(self.code)) <= room:
            below = self._beside(picture, width, room, columns)
        return below if len(below) + _COUNTDOWN <= rows else self._below((), columns)

    def _beside(self, picture: Sequence[str], width: int, room: int, columns: int) -> list[str]:
        texts = [
            "", *_wrapped("To log in, open this address on any device:", room), "", self.bold(self.address), "",
            *_wrapped("and enter this code:", room), "", self.bold(self.code), "",
            *_wrapped(f"The code is valid for {self.good_for}.", room),
        ]  # fmt: skip
        rows = itertools.zip_longest(picture, texts, fillvalue="")
        joined = [f"{_INDENT}{drawn or ' ' * width}{_GAP if text else ''}{text}".rstrip() for drawn, text in rows]
        return ["", *joined, "", *_wrapped(self.warning, columns - 1), ""]

    def _below(self, picture: Sequence[str], columns: int) -> list[str]:
        lines = ["", *_wrapped("To log in, open this address on any device:", columns - 1), ""]
        if picture:
            lines += [*(f"{_INDENT}{drawn}" for drawn in picture), ""]
        lines += [f"{_INDENT}{self.bold(self.address)}", "", "and enter this code:", ""]
        lines += [f"{_INDENT}{self.bold(self.code)}", "", f"The code is valid for {self.good_for}."]
        return [*lines, *_wrapped(self.warning, columns - 1), ""]


def draw(address: str) -> tuple[list[str], int]:
    """Return the QR code of an address as lines of text, and their width. Each line shows two rows of the code."""
    matrix = [[bool(cell) for cell in row] for row in segno.make(address, error="l", micro=False).matrix_iter(border=2)]
    if len(matrix) % 2:
        matrix.append([False] * len(matrix[0]))
    rows = zip(matrix[::2], matrix[1::2], strict=True)
    # Cameras expect dark on light: light cells are drawn, dark ones are left blank.
    drawn = ["".join(" ▀▄█"[(not up) + 2 * (not down)] for up, down in zip(*pair, strict=True)) for pair in rows]
    return drawn, len(matrix[0])


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, max(columns, 20), break_long_words=False, break_on_hyphens=False)

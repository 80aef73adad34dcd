"""An argument parser whose errors contain no typed values, and whose help ends like a manual page."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, HelpFormatter
from typing import TYPE_CHECKING, Final, NoReturn

from keyfob.cli import manual
from keyfob.errors import Misuse

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_FLAGS_END_AT: Final = 26


class Parser(ArgumentParser):
    """A parser that raises `Misuse` and does not exit. Messages contain no typed value, which could be a secret."""

    def error(self, message: str) -> NoReturn:
        what, _, named = message.partition("unrecognized arguments: ")
        if named:
            flags = [word.partition("=")[0] for word in named.split() if word.startswith("-")]
            what = f"there is no such flag: {' '.join(flags)}" if flags else "there are too many arguments"
        raise Misuse(what or message, hint=f"Run: {self.prog} --help")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help. Raise `OSError` if the help cannot be written; argparse would ignore this error."""
        sys.stdout.write(self.format_help()) if file is None else file.write(self.format_help())
        sys.stdout.flush()

    def format_help(self) -> str:
        notes, self.epilog = self.epilog, None
        try:
            end = manual.end_of(self.prog.removeprefix("keyfob "), notes or "")
            return super().format_help() + (f"\n{end}" if end else "")
        finally:
            self.epilog = notes

    def _get_formatter(self) -> HelpFormatter:
        return self.formatter_class(prog=self.prog, max_help_position=_FLAGS_END_AT, width=manual.width())  # type: ignore[call-arg]


def sentence(words: str) -> str:
    """Return the text with a capital first letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."

"""The words of a command: flags that repeat no secret, and help as a manual page has it."""

from __future__ import annotations

from argparse import ArgumentParser, HelpFormatter
from typing import Final, NoReturn

from keyfob.cli import manual
from keyfob.errors import Misuse

_FLAGS_END_AT: Final = 26


class Parser(ArgumentParser):
    """Raises where argparse would print and leave. Repeats no value: it could be a secret, typed in the wrong place."""

    def error(self, message: str) -> NoReturn:
        """Refuse.

        Raises:
            Misuse: Always.
        """
        what, _, named = message.partition("unrecognized arguments: ")
        if named:
            flags = [word.partition("=")[0] for word in named.split() if word.startswith("-")]
            what = f"there is no such flag: {' '.join(flags)}" if flags else "there are words too many"
        raise Misuse(what or message, hint=f"Run: {self.prog} --help")

    def format_help(self) -> str:
        """Flags as argparse has them, then what a manual page says at its end."""
        notes, self.epilog = self.epilog, None
        try:
            end = manual.end_of(self.prog.removeprefix("keyfob "), notes or "")
            return super().format_help() + (f"\n{end}" if end else "")
        finally:
            self.epilog = notes

    def _get_formatter(self) -> HelpFormatter:
        return self.formatter_class(prog=self.prog, max_help_position=_FLAGS_END_AT, width=manual.width())  # type: ignore[call-arg]


def sentence(words: str) -> str:
    """With a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."

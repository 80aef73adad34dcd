"""Show a login on a terminal: the address, the code in large type, a QR code of the address, the remaining time.

Everything is written to stderr, since stdout is for results. Without a terminal there is no colour, QR code or
countdown. Text from a server is printed without its control characters.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import sys
import textwrap
import time
from datetime import timedelta
from getpass import getpass
from typing import Self, TextIO

from keyfob.client.io.terminal.code_screen import CodeScreen, draw
from keyfob.client.io.terminal.keyboard import Keyboard
from keyfob.client.model.display import printable
from keyfob.client.model.notices import (
    ApprovalAwaited,
    BrowserOpened,
    CodeShown,
    FactorRefused,
    FlowChosen,
    FlowRefused,
    LoginInAnotherProcess,
    NetworkTrouble,
    NotBound,
    Notice,
    NumberRefused,
    PasswordWarned,
    PasteAsked,
    PasteRefused,
    RecoveryCodeMade,
    ScopeLeftOut,
    ScopeNarrowed,
    SlowedDown,
    StillPending,
    VaultNote,
)
from keyfob.client.ports import DeviceRequested, LoginEvent, Pasted, Question
from keyfob.errors import LoginRequired
from keyfob.protocol.secret import Secret

_CODE_KEYS = frozenset("cd")
_BRING_BACK = (
    "If the browser ends at a page that does not load, paste the whole address of that page here and press Enter."
)
HONEST_LINE = "Approve only if you started this login yourself. No support team will ever ask you to approve it."
_INDENT = 4
_TIMES_TOLD = 2
_UNWRAPPED = 10_000  # columns: lines of a pipe are not wrapped


class Terminal:
    """The output and input of one login on the user's terminal."""

    def __init__(
        self, out: TextIO, *, live: bool, colour: bool, columns: int = 80, rows: int = 50, program: str = "keyfob"
    ) -> None:
        """Store the screen's properties. Set the attribute `copies_code` to have user codes copied to the clipboard.

        Args:
            out: The stream to write to.
            live: Whether the stream is a terminal, so that a countdown and a QR code can be shown.
            colour: Whether to use bold type.
            columns: The width in characters.
            rows: The height in lines.
            program: The program's name, with which each printed remark begins; "" for none.
        """
        self.copies_code = False
        self._out = out
        self._live = live
        self._colour = colour
        self._columns = columns
        self._rows = rows
        self._follows_size = False
        self._troubles: set[str] = set()
        self._mark = f"{program}: " if program else ""
        self._waits_for = ""
        self._ends: float | None = None
        self._line = ""
        self._keyboard: Keyboard | None = None
        self._offers_code = False

    @classmethod
    def of_process(cls, program: str = "keyfob") -> Terminal:
        """Return a terminal for this process's stderr."""
        live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        terminal = cls(sys.stderr, live=live, colour=live and not os.environ.get("NO_COLOR"), program=program)
        terminal._follows_size = True
        terminal._measure()
        return terminal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        if self._keyboard is not None:
            self._keyboard.close()
            self._keyboard = None

    def notify(self, notice: Notice) -> None:
        match notice:
            case BrowserOpened():
                self._show_address(notice)
            case CodeShown():
                self._show_code(notice)
            case PasteAsked():
                self._show_paste(notice)
            case ApprovalAwaited():
                self._print(f"approve the login there: {notice.where}")
                self._await("you to approve", notice.expires_in)
            case StillPending():
                pass  # the countdown shows that
            case FactorRefused():
                self._print("the code is wrong; try again")
            case LoginInAnotherProcess():
                who = "another process" if notice.pid is None else f"another process ({notice.pid})"
                self._print(f"{who} is logging in to this profile; waiting for it (Ctrl-C ends only the waiting)")
            case SlowedDown():
                self._show_pace(notice)
            case NetworkTrouble():
                self._show_trouble(notice)
            case _:
                self._print(_text_of(notice))

    def tick(self) -> None:
        """Update the countdown."""
        if not (self._live and self._ends):
            return
        self._measure()
        left = timedelta(seconds=max(0, self._ends - time.monotonic()))
        self._rewrite(f"waiting for {self._waits_for}, {_span(left)} left (Ctrl-C to stop)")

    def read(self) -> LoginEvent | None:
        """Return the user's input: the key for the device flow, or a pasted text. Return None if there is none."""
        typed = None if self._keyboard is None else self._keyboard.read()
        if typed is None:
            return None
        if len(typed) > 1:
            return Pasted(Secret(typed))
        return DeviceRequested() if self._offers_code and typed.lower() in _CODE_KEYS else None

    def remark(self, text: str) -> None:
        """Print a remark that begins with the program's name."""
        self._print(text)

    def clear(self) -> None:
        """Erase the countdown."""
        self._rewrite("")

    def ask(self, question: Question) -> Secret:
        """Return the line that the user types. If stdin is a file or a pipe, return its next line.

        Raises:
            LoginRequired: The input has ended.
        """
        self.clear()
        if sys.stdin is None or not sys.stdin.isatty():
            typed = "" if sys.stdin is None else sys.stdin.readline()
        elif question.is_hidden:
            typed = getpass(f"{question.words}: ", self._out) + "\n"
        else:
            offered = f" [{printable(question.default)}]" if question.default else ""
            self._out.write(f"{question.words}{offered}: ")
            self._out.flush()
            typed = sys.stdin.readline()
            typed = question.default if typed.isspace() and question.default else typed
        if not typed:
            raise LoginRequired("stdin is closed, so there is no answer", code="no-terminal")
        return Secret(typed.rstrip("\r\n"))

    def _await(self, whom: str, span: timedelta) -> None:
        self._waits_for, self._ends = whom, time.monotonic() + span.total_seconds()

    def _watch_keys(self) -> bool:
        """Start to read the keyboard; return False if stdin is not a terminal."""
        if self._keyboard is None and sys.stdin is not None and sys.stdin.isatty():
            self._keyboard = Keyboard()
        return self._keyboard is not None

    def _show_code(self, notice: CodeShown) -> None:
        self._await("you to approve", notice.expires_in)
        if self.copies_code:
            self._copy(printable(notice.user_code))
        screen = CodeScreen(
            printable(notice.verification_uri),
            self._large(printable(notice.user_code)),
            _span(notice.expires_in),
            HONEST_LINE,
            self._bold,
        )
        if not self._live:
            self._write(screen.lines((), 0, _UNWRAPPED, 0))
            return
        picture, width = draw(notice.verification_uri) if _supports_unicode(self._out) else ([], 0)
        if width + _INDENT > self._columns:
            picture = []
        # With colour, white on black on any terminal.
        self._write(screen.lines([self._coloured(line) for line in picture], width, self._columns, self._rows))

    def _copy(self, code: str) -> None:
        """Copy the code to the clipboard by the control sequence OSC 52, even over SSH. Some terminals ignore this."""
        if self._live:
            self._out.write(f"\033]52;c;{base64.b64encode(code.encode()).decode('ascii')}\a")
            self._print("the code was copied to the clipboard, if the terminal allows it")
        else:
            self._print("the code was not copied: this is not a terminal")

    def _show_address(self, notice: BrowserOpened) -> None:
        self._await("your browser", notice.expires_in)
        opened = "Your browser was opened. If it shows no page, open this address in it:"
        first = opened if notice.has_opened else "To log in, open this address in a browser on this computer:"
        lines = ["", *self._wrapped(first), "", f"    {self._bold(printable(notice.address))}", ""]
        if self._watch_keys():
            self._offers_code = notice.offers_device
            other = "Press c to log in with a code on another device instead. " * notice.offers_device
            lines += [*self._wrapped(f"{other}{_BRING_BACK}"), ""]
        self._write(lines)

    def _show_paste(self, notice: PasteAsked) -> None:
        self._await("the address", notice.expires_in)
        self._watch_keys()
        lines = ["", *self._wrapped("To log in, open this address in a browser, on any device:"), ""]
        lines += [f"    {self._bold(printable(notice.address))}", ""]
        self._write([*lines, *self._wrapped(_BRING_BACK), *self._wrapped(HONEST_LINE), ""])

    def _write(self, lines: list[str]) -> None:
        self._rewrite("")
        self._out.write("\n".join(lines) + "\n")
        self._out.flush()

    def _large(self, code: str) -> str:
        spaced = "  ".join(code)
        return spaced if self._live and len(spaced) + _INDENT <= self._columns else code

    def _wrapped(self, text: str, later: str = "") -> list[str]:
        if not self._live:
            return [text]
        width = max(self._columns - 1, 20)
        return textwrap.wrap(text, width, subsequent_indent=later, break_long_words=False, break_on_hyphens=False)

    def _measure(self) -> None:
        """Read the size of the window, which may have changed."""
        if not self._follows_size:
            return
        size = shutil.get_terminal_size()
        with contextlib.suppress(OSError, ValueError):  # stdout may be a pipe; the screen is stderr's
            found = os.get_terminal_size(self._out.fileno())
            size = found if found.columns and found.lines else size
        self._columns, self._rows = size

    def _show_trouble(self, notice: NetworkTrouble) -> None:
        if self._live and notice.what in self._troubles:
            return  # the screen shows this message already
        self._troubles.add(notice.what)
        self._print(_text_of(notice))

    def _show_pace(self, notice: SlowedDown) -> None:
        if notice.times == 1 or (self._live and notice.times > _TIMES_TOLD):
            return
        self._print(
            f"the server requires slower polling again, now every {_span(notice.interval)}; this "
            "computer's clock may run fast"
        )

    def _print(self, text: str) -> None:
        self._rewrite("")
        line = f"{self._mark}{printable(text)}"
        self._out.write("\n".join(self._wrapped(line, " " * _INDENT)) + "\n")
        self._out.flush()

    def _rewrite(self, text: str) -> None:
        text = text[: self._columns - 1]
        if not self._live or text == self._line:
            return
        before = min(len(self._line), self._columns - 1)  # a window that became narrower has wrapped the rest
        self._out.write(f"\r{text}{' ' * (before - len(text))}" + ("" if text else "\r"))
        self._out.flush()
        self._line = text

    def _coloured(self, line: str) -> str:
        return f"\x1b[97;40m{line}\x1b[0m" if self._colour else line

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._colour else text


def _text_of(
    notice: FlowChosen
    | FlowRefused
    | NetworkTrouble
    | NotBound
    | NumberRefused
    | PasswordWarned
    | PasteRefused
    | RecoveryCodeMade
    | ScopeLeftOut
    | ScopeNarrowed
    | VaultNote,
) -> str:
    match notice:
        case FlowChosen():
            return "; ".join(notice.reasons)
        case FlowRefused() | NumberRefused() | PasteRefused():
            return _refusal_text(notice)
        case NetworkTrouble():
            return f"{notice.what}; still waiting, next try in {_span(notice.next_in)}"
        case NotBound():
            return "the server issued plain tokens that are not bound to a key (DPoP); they are used anyway"
        case PasswordWarned(text) | VaultNote(text):
            return text
        case RecoveryCodeMade():
            return f"your recovery code is used up; write down the new one: {notice.code.reveal()}"
        case ScopeLeftOut(names):
            return f"the server refused a scope; trying without those that were added by default: {', '.join(names)}"
        case ScopeNarrowed():
            return f"the server did not grant: {', '.join(notice.missing)}"


def _refusal_text(notice: FlowRefused | NumberRefused | PasteRefused) -> str:
    match notice:
        case FlowRefused():
            words = f" ({notice.why})" if notice.why else ""
            return f"the server refused the {notice.door} flow to this client{words}; trying the next flow"
        case NumberRefused():
            left = "" if notice.tries_left is None else f" ({_tries(notice.tries_left)})"
            return f"this is not the number on the page; try again{left}"
        case PasteRefused():
            return f"{notice.why}; still waiting"


def _tries(left: int) -> str:
    return "1 more try" if left == 1 else f"{left} more tries"


def _span(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds // 60} min {seconds % 60:02} s"


def _supports_unicode(out: TextIO) -> bool:
    return (getattr(out, "encoding", None) or "").lower().replace("-", "") == "utf8"

import io
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.io.terminal.terminal import HONEST_LINE, Terminal
from keyfob.client.model.display import printable
from keyfob.client.model.notices import CodeShown, NetworkTrouble, ScopeNarrowed, SlowedDown, StillPending
from keyfob.client.ports import Question
from keyfob.protocol.secret import Secret
from keyfob.testing.fake_time import NOON

LEFT = timedelta(minutes=15)
SHOWN = CodeShown("WDJB-MJHT", "https://login.example/activate", "https://login.example/x?c=WDJB", LEFT, NOON + LEFT)


class Paper(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]


def shown(*, live: bool = True, colour: bool = False, columns: int = 80, notice: CodeShown = SHOWN) -> str:
    paper = Paper()
    Terminal(paper, live=live, colour=colour, columns=columns).notify(notice)
    return paper.getvalue()


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_address_code_and_the_honest_line_are_always_there(live: bool, colour: bool, columns: int) -> None:
    """[C-8628-09]"""
    text = shown(live=live, colour=colour, columns=columns)

    assert "https://login.example/activate" in text
    assert "WDJB-MJHT" in text.replace("  ", "")
    assert HONEST_LINE in " ".join(text.split())
    assert "15 min" in text


def test_on_a_pipe_there_is_neither_colour_nor_picture_nor_countdown() -> None:
    paper = Paper()
    terminal = Terminal(paper, live=False, colour=False)
    terminal.notify(SHOWN)
    before = paper.getvalue()
    terminal.tick()
    terminal.clear()

    assert paper.getvalue() == before
    assert "\x1b" not in before
    assert "\r" not in before
    assert "█" not in before
    assert "    WDJB-MJHT\n" in before


def test_a_picture_is_drawn_only_where_it_fits_and_can_be_written() -> None:
    narrow = shown(columns=30)
    ascii_only = io.StringIO()
    Terminal(ascii_only, live=True, colour=False).notify(SHOWN)

    assert "█" in shown(columns=40)
    assert "█" not in narrow
    assert "█" not in ascii_only.getvalue()


@pytest.mark.parametrize("columns", [40, 80])
def test_no_line_is_longer_than_the_terminal_is_wide(columns: int) -> None:
    assert max(map(len, shown(columns=columns).splitlines())) <= columns


def test_the_picture_leads_to_the_address_and_never_carries_the_code() -> None:
    other = CodeShown(SHOWN.user_code, SHOWN.verification_uri, None, LEFT, NOON)

    assert shown() == shown(notice=other)


def test_without_colour_there_is_no_escape() -> None:
    assert "\x1b" not in shown(colour=False)
    assert "\x1b[1m" in shown(colour=True)


def test_the_countdown_is_one_line_that_is_written_anew_and_taken_away() -> None:
    paper = Paper()
    terminal = Terminal(paper, live=True, colour=False)
    terminal.notify(SHOWN)
    context = len(paper.getvalue())
    terminal.tick()
    terminal.notify(NetworkTrouble("no answer in time", timedelta(seconds=10)))
    terminal.tick()
    terminal.clear()
    written = paper.getvalue()[context:]

    assert written.count("\n") == 1
    assert "left (Ctrl-C to stop)" in written
    assert written.endswith("\r")
    assert not written.split("\r")[-2].strip()


def test_what_is_said_in_between_is_said_plainly() -> None:
    paper = Paper()
    terminal = Terminal(paper, live=False, colour=False)
    terminal.notify(StillPending(LEFT))
    terminal.notify(SlowedDown(timedelta(seconds=10), 1))
    assert paper.getvalue() == ""

    terminal.notify(SlowedDown(timedelta(seconds=15), 2))
    terminal.notify(ScopeNarrowed(("write:orders",)))

    assert "clock may run fast" in paper.getvalue()
    assert "the server did not grant: write:orders" in paper.getvalue()


@given(st.text(max_size=40), st.booleans())
def test_nothing_that_a_server_says_can_steer_a_terminal(evil: str, live: bool) -> None:
    """[C-6749-06]"""
    evil = f"\x1b[2J\x9b31m\u202e\a{evil}"
    paper = Paper()
    terminal = Terminal(paper, live=live, colour=False)
    terminal.notify(CodeShown(evil, f"https://login.example/{evil}", None, LEFT, NOON))
    terminal.notify(NetworkTrouble(evil, timedelta(seconds=1)))
    terminal.notify(ScopeNarrowed((evil,)))

    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", paper.getvalue())


class Typing(io.StringIO):
    """Somebody at a keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "is_person", "answer"),
    [
        ("\n", True, "pat"),
        ("  \n", True, "pat"),
        ("sam\n", True, "sam"),
        ("\n", False, ""),
        ("sam\n", False, "sam"),
    ],
)
def test_what_is_offered_is_taken_by_an_empty_line_where_a_person_sees_it(
    monkeypatch: pytest.MonkeyPatch, typed: str, is_person: bool, answer: str
) -> None:
    monkeypatch.setattr("sys.stdin", Typing(typed) if is_person else io.StringIO(typed))
    out = io.StringIO()

    found = Terminal(out, live=True, colour=False).ask(Question("username", "Name", default="pat"))

    assert found == Secret(answer)
    assert out.getvalue() == ("Name [pat]: " if is_person else "")


def test_what_is_offered_steers_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Typing("\n"))
    out = io.StringIO()
    Terminal(out, live=True, colour=False).ask(Question("username", "Name", default="a@b\x1b[2J"))
    assert out.getvalue() == "Name [a@b?[2J]: "


@given(st.text())
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    assert len(printable(text)) == len(text)
    assert printable(text).isprintable()
    assert all(a == b or not b.isprintable() for a, b in zip(printable(text), text, strict=True))

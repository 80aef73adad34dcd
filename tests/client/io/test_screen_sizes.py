"""A login on screens of different sizes: nothing is out of sight, one countdown line, and a window that is narrowed."""

from __future__ import annotations

import io
import os
import sys
from datetime import timedelta

import pytest

from keyfob.client.io.terminal.terminal import Terminal
from keyfob.client.model.notices import CodeShown, NetworkTrouble, PasswordWarned, StillPending
from keyfob.testing.fake_time import NOON

LEFT = timedelta(minutes=15)
SHOWN = CodeShown("WDJB-MJHT", "https://login.example/activate", None, LEFT, NOON + LEFT)
LONG = CodeShown("WDJB-MJHT", f"https://login.example/{'a' * 60}", None, LEFT, NOON + LEFT)


class Paper(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]


def lines(notice: CodeShown, columns: int, rows: int) -> list[str]:
    paper = Paper()
    Terminal(paper, live=True, colour=False, columns=columns, rows=rows).notify(notice)
    return paper.getvalue().splitlines()


@pytest.mark.parametrize("notice", [SHOWN, LONG], ids=["short", "long"])
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 24), (120, 24), (80, 15), (80, 60), (40, 60)])
def test_address_and_code_stay_in_sight(notice: CodeShown, columns: int, rows: int) -> None:
    """[FC-26]: at 80x24 the picture scrolled the address away, and the code stood below the edge."""
    shown = lines(notice, columns, rows)
    in_sight = shown[-(rows - 1) :]
    assert any(notice.verification_uri in line for line in in_sight)
    assert any(line.endswith("W  D  J  B  -  M  J  H  T") for line in in_sight)
    picture = [line for line in shown if "█" in line]
    assert set(picture) <= set(in_sight)
    assert picture or rows < 24 or columns < 80 or notice is LONG


def test_the_picture_stands_beside_the_code_where_there_is_room() -> None:
    """[FC-26]."""
    [line] = [line for line in lines(SHOWN, 80, 24) if SHOWN.verification_uri in line]
    assert "█" in line


@pytest.mark.parametrize("columns", [40, 80])
def test_remarks_are_wrapped_at_words(columns: int) -> None:
    """[FC-26]."""
    paper, text = Paper(), "this gives your password to a program, which RFC 9700 forbids; use another way " * 2
    Terminal(paper, live=True, colour=False, columns=columns).notify(PasswordWarned(text))
    assert max(map(len, paper.getvalue().splitlines())) < columns
    assert " ".join(paper.getvalue().split()) == f"keyfob: {text.strip()}"


def test_the_same_trouble_is_told_once_on_a_screen() -> None:
    """[FC-26]: a line for each retry pushed the code out of sight."""
    paper = Paper()
    terminal = Terminal(paper, live=True, colour=False)
    for seconds in range(1, 20):
        terminal.notify(NetworkTrouble("nobody answers there", timedelta(seconds=seconds)))
        terminal.notify(StillPending(LEFT))
    assert paper.getvalue().count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudoterminal")
def test_a_narrowed_window_gets_shorter_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """[FC-26]: each second another line of the countdown was spilled."""
    import termios

    screen, here = os.openpty()
    termios.tcsetwinsize(here, (24, 80))
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(here, "w", encoding="utf-8") as written:
        monkeypatch.setattr(sys, "stderr", written)
        terminal = Terminal.of_process()
        terminal.notify(SHOWN)
        terminal.tick()
        shown = os.read(screen, 65536)
        while b"waiting for you" not in shown:  # the terminal passes on a few KB at a time
            shown += os.read(screen, 65536)
        termios.tcsetwinsize(here, (24, 30))
        terminal._line = "what stood there before, over the whole width of the window that there was"
        terminal.tick()
        terminal.clear()
        spoken = os.read(screen, 65536).decode()
    os.close(screen)
    assert "waiting for you" in spoken
    assert all(len(part) < 30 for part in spoken.split("\r"))

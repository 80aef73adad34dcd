"""What a person types while a login waits: on a real terminal of this machine's making."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

if sys.platform == "win32":
    pytest.skip("a terminal of another kind", allow_module_level=True)

import pty
import select
import termios
from datetime import timedelta

from keyfob.client.io.terminal.keyboard import Keyboard
from keyfob.client.io.terminal.terminal import Terminal
from keyfob.client.model.notices import PasteAsked
from keyfob.client.ports import Pasted
from keyfob.protocol.secret import Secret


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The end of a terminal at which a person types; the other one is stdin."""
    person, client = pty.openpty()
    with os.fdopen(client, "r", closefd=True) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield person
    os.close(person)


def typed(person: int, text: bytes, keyboard: Keyboard) -> str | None:
    os.write(person, text)
    select.select([sys.stdin], [], [], 5)
    return keyboard.read()


def test_a_key_is_heard_at_once_and_shown_to_nobody(typing: int) -> None:
    keyboard = Keyboard()
    assert keyboard.read() is None
    assert typed(typing, b"c", keyboard) == "c"
    assert select.select([typing], [], [], 0.05)[0] == [], "nothing is echoed"
    keyboard.close()


def test_what_is_pasted_is_heard_when_its_line_ends_however_long(typing: int) -> None:
    address = f"http://127.0.0.1:1/callback?code={'x' * 9000}&state=s"
    keyboard = Keyboard()
    event = None
    for start in range(0, len(address), 1000):
        assert event is None
        event = typed(typing, address[start : start + 1000].encode(), keyboard)
    assert typed(typing, b"\r", keyboard) == address
    assert typed(typing, b"   \n", keyboard) is None
    assert typed(typing, b"one\rtwo\r", keyboard) == "one"
    assert keyboard.read() == "two"
    assert keyboard.read() is None
    keyboard.close()


def test_the_terminal_is_put_back_as_it_was(typing: int) -> None:
    before = termios.tcgetattr(sys.stdin)
    keyboard = Keyboard()
    assert termios.tcgetattr(sys.stdin) != before
    keyboard.close()
    assert termios.tcgetattr(sys.stdin) == before


def test_a_terminal_that_has_gone_says_nothing(typing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:  # noqa: PTH123  a stream as stdin is
        monkeypatch.setattr("sys.stdin", nothing)
        keyboard = Keyboard()
        assert keyboard.read() is None
        keyboard.close()


@pytest.mark.parametrize("kind", ["dumb", "xterm"])
def test_a_pasted_address_is_read_on_any_terminal(typing: int, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """[FC-37]: on a terminal that cannot move its cursor, too, such as an editor's shell."""
    monkeypatch.setenv("TERM", kind)
    address = "http://127.0.0.1:1/callback?code=c&state=s"
    with Terminal.of_process() as terminal:
        terminal.notify(PasteAsked("https://login.example/authorize", timedelta(minutes=10)))
        os.write(typing, f"{address}\r".encode())
        select.select([sys.stdin], [], [], 5)
        assert terminal.read() == Pasted(Secret(address))

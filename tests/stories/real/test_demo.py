"""`keyfob demo`, letter for letter and as a person walks through it. KEYFOB_TEST_ACCEPT=1 writes `demo.txt` anew."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stories.real.commands import Commands, approve, commands
from tests.stories.real.test_login_ends import Typed, at_terminal

__all__ = ["at_terminal", "commands"]
TRANSCRIPT = Path(__file__).parent / "demo.txt"
# What is another each time.
CHANGES = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", "CODE"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME"),
    (r"auth0\|[0-9a-f]*", "auth0|PERSON"),
)


def test_the_demo_shows_each_way_to_log_in(commands: Commands) -> None:
    said = commands.run("demo", "--unattended").stdout
    for pattern, word in CHANGES:
        said = re.sub(pattern, word, said)
    if os.environ.get("KEYFOB_TEST_ACCEPT") == "1":
        TRANSCRIPT.write_text(said, encoding="utf-8")
    assert said == TRANSCRIPT.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
def test_a_person_walks_through_the_demo(commands: Commands, at_terminal: Callable[..., Typed]) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        commands.environment.pop(name, None)
    typed = at_terminal("demo")
    password = typed.read_until(r"with the password  (\S+)")[1]
    address = typed.read_until(r"open this address on any device:[\s\S]*?(http://\S+/activate)")[1]
    code = typed.read_until(r"enter this code:[\s\S]*?((?:\w  ){4}-  (?:\w  ){3}\w)")[1].replace(" ", "")
    approve({"verification_uri": address, "user_code": code}, password)
    typed.read_until("skipped: no browser can be opened here")
    typed.read_until(r"Nothing is left running\.")
    assert typed.process.wait(20) == 0

"""What a login shows at a terminal, letter for letter: the files in `screens` are looked at by people.

KEYFOB_TEST_ACCEPT=1 writes them anew; read the difference before you commit it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from keyfob.client.flows.password import WARNING
from keyfob.client.io.terminal.terminal import Terminal
from keyfob.client.model.notices import (
    ApprovalAwaited,
    BrowserOpened,
    CodeShown,
    FactorRefused,
    FlowChosen,
    FlowRefused,
    LoginInAnotherProcess,
    NetworkTrouble,
    Notice,
    PasswordWarned,
    PasteAsked,
    PasteRefused,
    RecoveryCodeMade,
    ScopeNarrowed,
    SlowedDown,
)
from keyfob.protocol.secret import Secret
from keyfob.testing.fake_time import NOON

SCREENS = Path(__file__).parent / "screens"
TEN_MINUTES = timedelta(minutes=10)
ADDRESS = "https://login.example/authorize?client_id=cli&redirect_uri=http%3A%2F%2F127.0.0.1%3A8484%2Fcallback&state=s"
CODE = CodeShown("WDJB-MJHT", "https://login.example/activate", None, TEN_MINUTES, NOON + TEN_MINUTES)
FAR = ("this is an SSH session: a browser here would not open on the user's computer", "chosen: the device flow")

SHOWN: dict[str, Sequence[Notice]] = {
    "code": (FlowChosen("device", FAR), CODE),
    "browser": (BrowserOpened(ADDRESS, TEN_MINUTES, has_opened=True, offers_device=True),),
    "no-browser-after-all": (BrowserOpened(ADDRESS, TEN_MINUTES, has_opened=False),),
    "paste": (FlowRefused("device", "paste"), PasteAsked(ADDRESS, TEN_MINUTES), PasteRefused("that is no address")),
    "password": (
        PasswordWarned(WARNING),
        FactorRefused(),
        ApprovalAwaited("approve in an app", TEN_MINUTES),
        RecoveryCodeMade(Secret("ABCDEFGHIJKLMNOPQRSTUVWX")),
    ),
    "elsewhere": (LoginInAnotherProcess(4711), LoginInAnotherProcess(None)),
    "trouble": (
        NetworkTrouble("nobody answers there", timedelta(seconds=6)),
        SlowedDown(timedelta(seconds=10), 1),
        SlowedDown(timedelta(seconds=15), 2),
        ScopeNarrowed(("write:orders",)),
    ),
}


@pytest.mark.parametrize("kind", ["wide", "narrow", "pipe"])
@pytest.mark.parametrize("screen", SHOWN)
def test_a_screen_is_as_it_was_agreed(screen: str, kind: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    terminal = Terminal(out, live=kind != "pipe", colour=False, columns=40 if kind == "narrow" else 80)
    for notice in SHOWN[screen]:
        terminal.notify(notice)
    out.seek(0)
    said, path = out.read(), SCREENS / f"{screen}.{kind}.txt"
    if os.environ.get("KEYFOB_TEST_ACCEPT") == "1":
        path.write_text(said, encoding="utf-8")
    assert said == path.read_text(encoding="utf-8")


def test_no_screen_is_kept_that_nothing_shows() -> None:
    kept = {path.name for path in SCREENS.iterdir()}
    assert kept == {f"{screen}.{kind}.txt" for screen in SHOWN for kind in ("wide", "narrow", "pipe")}

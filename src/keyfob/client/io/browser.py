"""Open an address in this machine's browser: web addresses only, no shell, no browser inside the terminal."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Final

from keyfob.protocol.address import is_web_url

_IN_TERMINAL: Final = ("lynx", "links", "elinks", "w3m", "www-browser", "browsh")


def open_browser(address: str) -> bool:
    """Whether a browser has been told to. On Linux there must be a screen."""
    if not is_web_url(address):
        return False
    has_screen = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if not (has_screen or sys.platform in {"darwin", "win32"}):
        return False
    try:
        browser = webbrowser.get()
        if Path(str(getattr(browser, "name", ""))).name in _IN_TERMINAL:
            return False
        return browser.open(address)
    except (webbrowser.Error, OSError):
        return False

"""Open an address in the person's browser: web addresses only, no shell, no browser inside the terminal."""

from __future__ import annotations

import subprocess
import webbrowser

from keyfob.client.model.surroundings import Surroundings
from keyfob.protocol.address import is_web_url

_PATIENCE_S = 10


def open_browser(address: str, here: Surroundings) -> bool:
    """Whether a browser has been told to. What is there was observed before; a text browser is never started."""
    if not is_web_url(address) or not here.browser or here.is_text_browser:
        return False
    if here.is_wsl:
        return _open_in_windows(address, here.browser)
    if not (here.has_screen or here.remote):
        return False
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False


def _open_in_windows(address: str, opener: str) -> bool:
    """By a program of Windows, which is given the address as one argument and no shell."""
    words = [opener, address]
    if opener == "powershell.exe":
        # The address is data for a quoted string: a quote in it is doubled, and nothing else means anything there.
        quoted = address.replace("'", "''")
        words = [opener, "-NoProfile", "-NonInteractive", "-Command", f"Start-Process '{quoted}'"]
    try:
        done = subprocess.run(  # noqa: S603  a list of words, no shell, and the address has been looked at
            words, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    # explorer.exe answers 1 when all went well.
    return done.returncode == 0 or opener == "explorer.exe"

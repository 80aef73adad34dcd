"""Open a web address in the user's graphical browser, without a shell."""

from __future__ import annotations

import subprocess
import webbrowser

from keyfob.client.model.surroundings import Surroundings
from keyfob.protocol.address import is_web_url

_TIMEOUT_S = 10


def open_browser(address: str, surroundings: Surroundings) -> bool:
    """Start a browser, unless only a text browser was detected; return whether one was started."""
    if not is_web_url(address) or not surroundings.browser or surroundings.is_text_browser:
        return False
    if surroundings.is_wsl:
        return _open_in_windows(address, surroundings.browser)
    if not (surroundings.has_screen or surroundings.remote):
        return False
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False


def _open_in_windows(address: str, opener: str) -> bool:
    """Start a Windows program that opens the address, which is one argument and passes no shell."""
    words = [opener, address]
    if opener == "powershell.exe":
        # In a single-quoted string of PowerShell only the quote itself is special, and is doubled.
        quoted = address.replace("'", "''")
        words = [opener, "-NoProfile", "-NonInteractive", "-Command", f"Start-Process '{quoted}'"]
    try:
        done = subprocess.run(  # noqa: S603  a list of arguments, no shell, and the address was checked
            words, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    # explorer.exe exits with 1 on success.
    return done.returncode == 0 or opener == "explorer.exe"

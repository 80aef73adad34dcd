"""Find a Chromium for the tests of the pages, or install one; print where it is.

Looks at KEYFOB_TEST_BROWSER, then for the usual names on the path, then in the places where macOS and Windows keep
browsers, then among those that Playwright has fetched before. If there is none, it asks the system's packages for one
where that needs no password, and Playwright where it does. Everything but the answer goes to stderr.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.system_packages import install, run, say

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
USUAL_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)


def from_environment() -> str | None:
    """Return the browser that was asked for by name."""
    return os.environ.get("KEYFOB_TEST_BROWSER") or None


def from_path() -> str | None:
    """Return a browser that is installed in the usual way."""
    found = (shutil.which(name) for name in NAMES)
    places = (place for place in USUAL_PLACES if Path(place).is_file())
    return next((path for path in (*found, *places) if path), None)


def from_playwright() -> str | None:
    """Return the browser that Playwright has fetched before, if it is still there."""
    ask = (
        "from playwright.sync_api import sync_playwright as start\n"
        "with start() as playwright: print(playwright.chromium.executable_path)"
    )
    asked = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    path = asked.stdout.strip()
    return path if path and Path(path).is_file() else None


def from_system_packages() -> str | None:
    """Install Debian's Chromium, where this is a Debian and no password is needed."""
    _ = install("chromium")
    return from_path()


def from_playwright_download() -> str | None:
    """Let Playwright fetch its own Chromium."""
    _ = run([sys.executable, "-m", "playwright", "install", "chromium"])
    return from_playwright()


WAYS: tuple[Callable[[], str | None], ...] = (
    from_environment,
    from_path,
    from_playwright,
    from_system_packages,
    from_playwright_download,
)


def browsers() -> Iterator[str]:
    """Yield what each way finds, trying the next only when it is wanted."""
    for way in WAYS:
        if path := way():
            yield path


def main() -> int:
    """Print the first browser that is really there."""
    for path in browsers():
        if shutil.which(path):
            print(path)
            return 0
        say(f"{path} is not a program that can be run")
    say("no Chromium here, and none could be installed.")
    say("Install chromium or Google Chrome, or set KEYFOB_TEST_BROWSER to the path of one.")
    return 1


if __name__ == "__main__":
    sys.exit(main())

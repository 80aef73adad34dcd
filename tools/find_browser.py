"""Find or install a Chromium for the tests of the pages, and print its path.

The searches, in order: KEYFOB_TEST_BROWSER, the usual names on the path, the usual folders of macOS and Windows, the
browser that Playwright has downloaded, the packages of the system if that needs no password, and a download by
Playwright. All other output goes to stderr.
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
    """Return the browser that KEYFOB_TEST_BROWSER names."""
    return os.environ.get("KEYFOB_TEST_BROWSER") or None


def from_path() -> str | None:
    """Return an installed browser."""
    found = (shutil.which(name) for name in NAMES)
    places = (place for place in USUAL_PLACES if Path(place).is_file())
    return next((path for path in (*found, *places) if path), None)


def from_playwright() -> str | None:
    """Return the browser that Playwright has downloaded, if the file still exists."""
    code = (
        "from playwright.sync_api import sync_playwright as start\n"
        "with start() as playwright: print(playwright.chromium.executable_path)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    path = done.stdout.strip()
    return path if path and Path(path).is_file() else None


def from_system_packages() -> str | None:
    """Install the Chromium of Debian, if that needs no password."""
    _ = install("chromium")
    return from_path()


def from_playwright_download() -> str | None:
    """Download the Chromium of Playwright."""
    _ = run([sys.executable, "-m", "playwright", "install", "chromium"])
    return from_playwright()


SEARCHES: tuple[Callable[[], str | None], ...] = (
    from_environment,
    from_path,
    from_playwright,
    from_system_packages,
    from_playwright_download,
)


def browsers() -> Iterator[str]:
    """Yield the result of each search that finds a browser; later searches run only if it is not accepted."""
    for search in SEARCHES:
        if path := search():
            yield path


def main() -> int:
    """Print the path of the first browser that can be started."""
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

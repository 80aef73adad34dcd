"""Starting up: whole processes beside a bare interpreter."""

from __future__ import annotations

import subprocess
import sys

from measure import show, side_by_side

BARE = [sys.executable, "-c", "pass"]
THINGS = {
    "python -c pass": BARE,
    "import keyfob.guard": [sys.executable, "-c", "import keyfob.guard"],
    "import keyfob.login": [sys.executable, "-c", "import keyfob.login"],
    "keyfob --help": [sys.executable, "-m", "keyfob", "--help"],
}


def main() -> None:
    """Print starts per second."""
    calls = {
        name: (lambda words=words: subprocess.run(words, capture_output=True, check=True))
        for name, words in THINGS.items()
    }
    show(side_by_side(calls, rounds=9, calls=3), beside="python -c pass")

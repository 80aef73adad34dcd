"""Starting up: whole processes beside a bare interpreter, and what is on top of it."""

from __future__ import annotations

import os
import subprocess
import sys

from measure import side_by_side

GUARD = "from keyfob.guard import Guard"
APP = "from keyfob.login import App"
PLACE = "issuer='https://login.example/', "
STATEMENTS = {
    "python -c pass": "pass",
    "import dataclasses, json, pathlib": "import dataclasses, json, pathlib",  # what a small program has loaded anyway
    "import keyfob.guard": "import keyfob.guard",
    GUARD: GUARD,
    "a Guard is made": f"{GUARD}; Guard({PLACE}audience='https://api.example/')",
    "import keyfob.login": "import keyfob.login",
    APP: APP,
    "an App is made": f"{APP}; App({PLACE}client_id='program')",
}
THINGS = {name: [sys.executable, "-c", statement] for name, statement in STATEMENTS.items()}
THINGS["keyfob --help"] = [sys.executable, "-m", "keyfob", "--help"]
# Where nothing compiled may be written, every start would compile all that it loads, and only that would be measured.
PLACES = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Print the time beside that of a bare Python, and what comes on top of it."""
    calls = {
        name: (lambda words=words: subprocess.run(words, capture_output=True, check=True, env=PLACES))
        for name, words in THINGS.items()
    }
    taken = side_by_side(calls, rounds=21, calls=1)
    bare = taken["python -c pass"]
    for name, seconds in taken.items():
        print(f"  {name:<44} {seconds / bare:>6.2f} × python -c pass   {(seconds - bare) * 1000:>+7.1f} ms")

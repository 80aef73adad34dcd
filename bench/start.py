"""Measure the start-up time of whole processes, compared with bare Python.

If the system reports processor time, the result excludes other processes. Otherwise it is the elapsed time.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from quick import store_login

if sys.platform != "win32":
    import resource

GUARD = "from keyfob.guard import Guard"
APP = "from keyfob.login import App"
PLACE = "issuer='https://login.example/', "
STATEMENTS = {
    "python -c pass": "pass",
    "import dataclasses, json, pathlib": "import dataclasses, json, pathlib",  # usual imports of a small program
    "import keyfob.guard": "import keyfob.guard",
    GUARD: GUARD,
    "a Guard is made": f"{GUARD}; Guard({PLACE}audience='https://api.example/')",
    "import keyfob.login": "import keyfob.login",
    APP: APP,
    "an App is made": f"{APP}; App({PLACE}client_id='program')",
}
# The folder of the vault is the argument.
STORED = f"""{APP}
import pathlib, sys
App({PLACE}client_id='cli', profile='default', home=pathlib.Path(sys.argv[1])).session().token()"""
THINGS = {name: [sys.executable, "-c", statement] for name, statement in STATEMENTS.items()}
THINGS["keyfob --help"] = [sys.executable, "-m", "keyfob", "--help"]
ROUNDS = 25
# Without written bytecode, every start would compile all modules, and only that would be measured.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Print the ratio to the time of bare Python, and the difference from that time."""
    with tempfile.TemporaryDirectory() as folder:
        store_login(Path(folder))
        things = THINGS | {"an App with a stored token is used": [sys.executable, "-c", STORED, folder]}
        seconds: dict[str, list[float]] = {name: [] for name in things}
        for words in things.values():
            _spent(words)
        for _ in range(ROUNDS):
            for name, words in things.items():
                seconds[name].append(_spent(words))
    bare = statistics.median(seconds["python -c pass"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"  {name:<44} {median / bare:>6.2f} × python -c pass   {(median - bare) * 1000:>+7.1f} ms")


def _spent(words: list[str]) -> float:
    before = _clock()
    subprocess.run(words, capture_output=True, check=True, env=ENVIRONMENT)
    return _clock() - before


def _clock() -> float:
    if sys.platform == "win32":
        return time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

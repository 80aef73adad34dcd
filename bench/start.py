"""Starting up: whole processes beside a bare interpreter, and what is on top of it.

Processor time, where the system tells it: what else the machine does is left out. For the clock, add what it waits.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

if sys.platform != "win32":
    import resource

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
ROUNDS = 25
# Where nothing compiled may be written, every start would compile all that it loads, and only that would be measured.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Print the time beside that of a bare Python, and what comes on top of it."""
    seconds: dict[str, list[float]] = {name: [] for name in THINGS}
    for words in THINGS.values():
        _spent(words)
    for _ in range(ROUNDS):
        for name, words in THINGS.items():
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

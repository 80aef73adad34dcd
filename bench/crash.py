"""Kill a tenant and its database 1,000 times under load, on each store. Every response to a client must stay true.

`CRASHES=100 make bench ARGS=crash` kills them 100 times.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from tests import crash
from tests.postgres import programs, running

ROUNDS = int(os.environ.get("CRASHES", "1000"))


def main() -> None:
    """Print the lost and the duplicated results; stop if there are any."""
    with tempfile.TemporaryDirectory() as folder:
        show("SQLite", *timed(Path(folder) / "data", None))
    if programs() is None:
        print("  no PostgreSQL here")
        return
    with running(("-c", "fsync=off")) as server, tempfile.TemporaryDirectory() as folder:  # a kill loses no file
        show("PostgreSQL", *timed(Path(folder) / "data", server))


def timed(folder: Path, server: object) -> tuple[crash.Results, float]:
    start = time.perf_counter()
    return crash.run(folder, ROUNDS, server), time.perf_counter() - start


def show(store: str, found: crash.Results, took: float) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in sorted(found.counts.items()))
    print(f"  {store}: {ROUNDS} crashes, lost: {len(found.lost)}, doubled: {len(found.doubled)}, in {took:.0f} s")
    print(f"    {counts}")
    if found.lost or found.doubled:
        raise SystemExit("\n".join(found.lost + found.doubled))

"""Refresh one expired login in a hundred processes, at a tenant (with kills and old copies) and at a strict issuer."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.races import refresh_torture
from tests.races.refresh_race import run

PROCESSES, ROUNDS, KILLS = 100, 5, 5


def main() -> None:
    """Print the result of each round; stop if it is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        outcome = run(Path(folder), processes=PROCESSES, rounds=ROUNDS, kills=KILLS)
        took = time.perf_counter() - start
    for at, found in enumerate(outcome.rounds, 1):
        print(
            f"  round {at}: {found.refreshes} refreshes, {found.killed} killed in one, "
            f"{found.generations} generation kept, {len(found.tokens)} token for all, "
            f"{len(found.errors)} errors, {found.refused} refused"
        )
        kept = (found.generations, len(found.tokens), len(found.errors), found.refused)
        if kept != (1, 1, 0, 0) or found.refreshes > found.killed + 1:
            raise SystemExit("not one refresh for one generation")
    left = f"damaged: {len(outcome.damaged)}; left over: {len(outcome.left_over)}"
    print(f"  logged in at the end: {outcome.is_alive}; {left}")
    print(f"  all of it, starting {PROCESSES} processes on this machine too: {took:.0f} s")
    if not outcome.is_alive or outcome.damaged or outcome.left_over:
        raise SystemExit("the login did not survive")
    torture()


def torture() -> None:
    """Print the logins that signals and full disks ended. Stop if anything but SIGKILL lost a login."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        came = refresh_torture.run(Path(folder), processes=PROCESSES)
        took = time.perf_counter() - start
    signals = ", ".join(f"{count} {name}" for name, count in sorted(came.signals.items()))
    print(f"  strict issuer: {came.processes} processes, {came.refreshes} refreshes, {signals}")
    print(f"  full disks noticed before asking: {came.without_asking}; refresh tokens replayed: {len(came.reuses)}")
    print(f"  logins lost: {came.lost}; lost because SIGKILL came between answer and rename: {came.lost_to_kill}")
    print(f"  all of it: {took:.0f} s")
    if came.reuses or came.lost or came.damaged:
        raise SystemExit("a login was lost to something else than SIGKILL")

"""Measure several functions alternately, so that a slow moment of the machine affects all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def side_by_side(things: Mapping[str, Callable[[], object]], *, rounds: int = 15, calls: int = 200) -> dict[str, float]:
    """Return the seconds for one call of each function, as the median of rounds that measure all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in things}
    for thing in things.values():
        thing()
    for _ in range(rounds):
        for name, thing in things.items():
            start = time.perf_counter()
            for _ in range(calls):
                thing()
            seconds[name].append((time.perf_counter() - start) / calls)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def show(taken: Mapping[str, float], *, beside: str) -> None:
    """Print calls per second, and the speed relative to `beside` (more than 1.00 is faster)."""
    for name, seconds in taken.items():
        print(f"  {name:<44} {1 / seconds:>12,.0f}/s   {taken[beside] / seconds:>6.2f} × {beside}")

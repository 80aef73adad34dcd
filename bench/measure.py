"""Measure several things in turn, so that a slow minute of the machine is shared by all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def side_by_side(things: Mapping[str, Callable[[], object]], *, rounds: int = 15, calls: int = 200) -> dict[str, float]:
    """Seconds for one call of each, the median over rounds; every round measures each thing once."""
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
    """Print calls per second, and the speed beside one of them (1.00 is as fast; more is faster)."""
    for name, seconds in taken.items():
        print(f"  {name:<44} {1 / seconds:>12,.0f}/s   {taken[beside] / seconds:>6.2f} × {beside}")

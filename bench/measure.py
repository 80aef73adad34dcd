"""Measure several functions alternately, so that a slow moment of the machine affects all of them.

`save` writes the results for docs/sizing.md to docs/sizing.json, from which `make docs` updates the page.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.postgres import Postgres

RESULTS = Path(__file__).parent.parent / "docs" / "sizing.json"


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


def save(part: str, found: Mapping[str, object]) -> None:
    """Save the results of one benchmark, with the machine and the day."""
    saved = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    saved[part] = {"machine": _machine(), **found}
    RESULTS.write_text(json.dumps(saved, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"  saved in docs/{RESULTS.name}; `make docs` brings docs/sizing.md up to date")


def cpu_of(server: Postgres) -> float:
    """Return the processor seconds of a server and all of its processes."""
    top = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{top}/task/{top}/children").read_text().split()
    return sum(_cpu(int(one)) for one in (top, *children))


def _cpu(process: int) -> float:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
    return 0.0


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    day, load = datetime.now(UTC).date().isoformat(), os.getloadavg()[1]
    return f"{model}, {os.cpu_count()} cores shared with other work (load {load:.0f}), {_python()}, {day}"


def _python() -> str:
    """Return the version of Python, and whether it is an optimised build: another build may take 20 % longer."""
    if sys.base_prefix == "/usr":  # such as Debian, which optimises, but describes another build in `sysconfig`
        return f"Python {platform.python_version()}, the distribution's build"
    arguments = sysconfig.get_config_var("CONFIG_ARGS")
    kind = "" if arguments is None else ", optimised" if "--enable-optimizations" in arguments else ", not optimised"
    return f"Python {platform.python_version()}{kind} build" if kind else f"Python {platform.python_version()}"

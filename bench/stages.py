"""The processor time of requests in process, stage by stage, beside that of an earlier revision (bench/base.py).

The ASGI application is called without a socket, on SQLite with its audit log in a file. Both revisions are measured in
turns; each figure is the least of many short batches. Results are saved for docs/performance.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from base import ROOT, base_tree, environment
from measure import save

HERE = Path(__file__).parent
ROUNDS = 20
NOW = "now"
# What a stage takes without those inside it.
WITHOUT = {
    "ASGI messages": ("whole", "without ASGI"),
    "reload and sweep": ("without ASGI", "without reload"),
    "routes and policy": ("without reload", "without policy"),
}
Timer = Callable[[str], float]


def main() -> None:
    """Print the microseconds of each work and stage, and save them."""
    with ExitStack() as stack:
        base = stack.enter_context(base_tree())
        trees = {NOW: ROOT / "src"} | ({} if base is None else {base[0]: base[1]})
        timers: dict[str, Timer] = {}
        for name, source in trees.items():
            names, timer = stack.enter_context(_worker(source))
            timers[name] = timer
        least = _measure(timers, [*names["works"], *names["stages"]])
    works = {name: {tree: least[tree][name] for tree in trees} for name in names["works"]}
    stages = {
        name: {tree: one for tree in trees if (one := _stage(least[tree], name)) is not None}
        for name in _stage_names(names["stages"])
    }
    for title, rows in (("whole requests", works), ("stages", stages)):
        print(f"  {title:<44}" + "".join(f"{tree:>12}" for tree in trees) + "   us")
        for name, row in rows.items():
            ratio = f"   {row[base[0]] / row[NOW]:5.2f} ×" if base and row[NOW] > 0 else ""
            print(f"    {name:<42}" + "".join(f"{row[tree]:>12.1f}" for tree in trees) + ratio)
    save("stages", {"base": base and base[0], "works": works, "stages": stages})


def _measure(timers: dict[str, Timer], names: list[str]) -> dict[str, dict[str, float]]:
    """Return the least microseconds of each name in each tree."""
    least = {tree: dict.fromkeys(names, float("inf")) for tree in timers}
    for round_number in range(ROUNDS + 1):
        for name in names:
            for tree, timer in timers.items():
                taken = timer(name) * 1e6
                if round_number:  # the first one is for warming up
                    least[tree][name] = min(least[tree][name], round(taken, 2))
    return least


def _stage_names(names: list[str]) -> list[str]:
    """Return the names of the stages, with differences instead of the four that contain others."""
    outer = {part for pair in WITHOUT.values() for part in pair}
    found: list[str] = []
    for name in names:
        work, _, stage = name.partition(": ")
        if stage == "whole":
            found += [f"{work}: {one}" for one in WITHOUT]
        elif stage not in outer:
            found.append(name)
    return found


def _stage(least: dict[str, float], name: str) -> float | None:
    work, _, stage = name.partition(": ")
    if stage in WITHOUT:
        outer, inner = (least[f"{work}: {one}"] for one in WITHOUT[stage])
        return round(outer - inner, 2)
    return least.get(name)


@contextmanager
def _worker(source: Path) -> Iterator[tuple[dict[str, list[str]], Timer]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / "peers" / "stages.py"), folder]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment(source))
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def timer(name: str) -> float:
            stdin.write(f"{name}\n")
            stdin.flush()
            return float(stdout.readline())

        try:
            yield json.loads(stdout.readline()), timer
        finally:
            stdin.close()
            process.wait(10)
            stdout.close()

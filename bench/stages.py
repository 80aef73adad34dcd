"""Measure the processor time of requests in process, stage by stage, for this and an older revision (bench/base.py).

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
from dataclasses import dataclass
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


def main() -> None:
    """Print the microseconds of each kind of request and of each stage, and save the results."""
    with ExitStack() as stack:
        base = stack.enter_context(base_tree())
        trees = {NOW: ROOT} if base is None else {NOW: ROOT, base[0]: base[1]}
        workers = {name: stack.enter_context(_worker(tree)) for name, tree in trees.items()}
        least = _measure(workers)
    titles = workers[NOW].names
    found = {title: {name: _row(least, name) for name in _rows(titles[title])} for title in titles}
    for title, rows in found.items():
        print(f"  {title:<44}" + "".join(f"{tree:>12}" for tree in trees) + "   us")
        for name, row in rows.items():
            ratio = f"   {row[base[0]] / row[NOW]:5.2f} ×" if base and base[0] in row and row[NOW] > 0 else ""
            print(f"    {name:<42}" + "".join(f"{one:>12.1f}" for one in row.values()) + ratio)
    save("stages", {"base": base and base[0], **found})


@dataclass(frozen=True)
class Worker:
    """A process that measures calls. It has the names of the calls, by groups, and returns the seconds of one call."""

    names: dict[str, list[str]]
    seconds: Callable[[str], float]

    def has(self, name: str) -> bool:
        return any(name in group for group in self.names.values())


def _measure(workers: dict[str, Worker]) -> dict[str, dict[str, float]]:
    """Return the least microseconds for each name in each source tree that contains the name."""
    least: dict[str, dict[str, float]] = {tree: {} for tree in workers}
    for round_number in range(ROUNDS + 1):
        for name in (one for group in workers[NOW].names.values() for one in group):
            for tree, worker in workers.items():
                if worker.has(name):
                    taken = worker.seconds(name) * 1e6
                    if round_number:  # the first one is for warming up
                        least[tree][name] = round(min(least[tree].get(name, taken), taken), 2)
    return least


def _rows(names: list[str]) -> list[str]:
    """Return the names of the rows. A stage that contains other stages is replaced by the difference."""
    inner = {part for pair in WITHOUT.values() for part in pair[1:]}
    found: list[str] = []
    for name in names:
        work, _, stage = name.partition(": ")
        if stage == "whole":
            found += [f"{work}: {one}" for one in WITHOUT]
        elif stage not in inner:
            found.append(name)
    return found


def _row(least: dict[str, dict[str, float]], name: str) -> dict[str, float]:
    """Return the microseconds of a row for each source tree that contains its stages."""
    work, _, stage = name.partition(": ")
    if stage not in WITHOUT:
        return {tree: all_of_it[name] for tree, all_of_it in least.items() if name in all_of_it}
    outer, inner = (f"{work}: {one}" for one in WITHOUT[stage])
    return {tree: round(one[outer] - one[inner], 2) for tree, one in least.items() if outer in one and inner in one}


@contextmanager
def _worker(tree: Path) -> Iterator[Worker]:
    """Start the worker script of a source tree, or the script of this tree if the other tree has none."""
    own = tree / "bench" / "peers" / "stages.py"
    script = own if own.is_file() else HERE / "peers" / "stages.py"
    with tempfile.TemporaryDirectory() as folder:
        pipe = subprocess.PIPE
        command = [sys.executable, str(script), folder]
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment(tree))
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def seconds(name: str) -> float:
            stdin.write(f"{name}\n")
            stdin.flush()
            return float(stdout.readline())

        try:
            yield Worker(json.loads(stdout.readline()), seconds)
        finally:
            stdin.close()
            process.wait(10)
            stdout.close()

"""The Python blocks of docs/guard.md run, and its numbers are those of the code."""

import re

from keyfob.guard import Guard, Requirement
from keyfob.resource import refetch
from keyfob.resource.replays import MOST
from tools.source import ROOT

PAGE = (ROOT / "docs" / "guard.md").read_text(encoding="utf-8")


def test_the_page_of_the_guard_runs_from_top_to_bottom() -> None:
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/guard.md", "exec"), names)
    assert len([thing for thing in names.values() if isinstance(thing, Guard)]) == 7
    assert len([thing for thing in names.values() if isinstance(thing, Requirement)]) == 2


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    assert (
        f"then none for {refetch.COOL_DOWN.seconds} s, and none for the same key for {refetch.MISSING_LIFE.seconds} s"
        in PAGE
    )
    assert f"({refetch.SHORTEST_LIFE.seconds} s to {refetch.LONGEST_LIFE.days} day, else 10 min)" in PAGE
    assert refetch.DEFAULT_LIFE.total_seconds() == 600
    assert f"asked again after {refetch.FIRST_COOL_DOWN.seconds} s" in PAGE
    assert refetch.LONGEST_STALE.days == 1
    assert f"{MOST:,} at" in PAGE

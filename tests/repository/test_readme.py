"""The Python blocks of the README run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_shows_each_public_module() -> None:
    assert [re.findall(r"keyfob\.\w+", block)[0] for block in BLOCKS] == [
        "keyfob.embed",
        "keyfob.guard",
        "keyfob.serve",
    ]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_the_readme_runs(block: str) -> None:
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert names.keys() & {"login", "application", "guard"}
    for name in re.findall(r"# (?:app = )?([a-z_.]+(?:\(\))?(?:\.[a-z_]+)*)", block):
        thing: object = names.get(name.partition(".")[0])
        for part in name.split(".")[1:]:
            if part.endswith("()"):
                break
            assert hasattr(thing, part), name
            thing = getattr(thing, part)


def test_the_readme_has_at_most_120_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120

"""The Python blocks of the README run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_shows_a_program_an_api_and_a_test() -> None:
    """tests/stories/real/test_readme_programs.py runs them together."""
    assert [re.findall(r"from (keyfob\.\w+)", block) for block in BLOCKS] == [
        ["keyfob.embed"],
        ["keyfob.guard"],
        ["keyfob.login", "keyfob.testing"],
    ]


@pytest.mark.parametrize(("number", "name"), [(0, "login"), (1, "guard"), (2, "test_a_user_logs_in")])
def test_a_block_of_the_readme_runs(number: int, name: str) -> None:
    names: dict[str, object] = {}
    exec(compile(BLOCKS[number], "README.md", "exec"), names)
    assert name in names


def test_the_readme_has_at_most_120_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120

"""The prose about the house names files that are there."""

import re

import pytest

from tools import map as house_map
from tools.house import ROOT, SOURCE

FILE = re.compile(r"`((?:[a-z_]+/)+[a-z_.]*)`")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def test_the_walks_lead_through_files_that_are_there() -> None:
    page = house_map.PAGE.read_text(encoding="utf-8")
    prose = page.partition(house_map.BEGIN)[0] + page.partition(house_map.END)[2]
    named = [place for place in FILE.findall(prose) if not (SOURCE / place).exists() and not (ROOT / place).exists()]

    assert named == []


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_gives_context_options_choice_and_price_on_one_page(path: object) -> None:
    text = (ROOT / str(path)).read_text(encoding="utf-8")

    assert [word for word in ("Context", "Options", "Choice", "Price") if f"**{word}." not in text] == []
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))

"""ARCHITECTURE.md names files that exist and fits two screens, and decision records have the required sections."""

import re

import pytest

from tools.source import ROOT, SOURCE

PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
# Files in packages, folders, and files at the top of keyfob.
FILE = re.compile(r"`((?:[a-z_0-9]+/)+[a-z_0-9.]*|[a-z_]+\.py)`")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def test_the_page_of_the_architecture_names_files_that_exist() -> None:
    places = set(FILE.findall(PAGE))
    tops = (SOURCE, SOURCE / "client", ROOT)

    assert places
    assert [place for place in sorted(places) if not any((top / place).exists() for top in tops)] == []


def test_the_page_of_the_architecture_has_at_most_120_lines() -> None:
    assert len(PAGE.splitlines()) <= 120


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_gives_context_options_choice_and_price_on_one_page(path: object) -> None:
    text = (ROOT / str(path)).read_text(encoding="utf-8")

    assert [word for word in ("Context", "Options", "Choice", "Price") if f"**{word}." not in text] == []
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))

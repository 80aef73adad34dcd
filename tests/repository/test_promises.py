"""Each promise of SECURITY.md names tests that exist, and docs/promises.md lists them."""

from __future__ import annotations

from tools import promises


def test_every_promise_has_a_test_that_exists() -> None:
    assert promises.mistakes(promises.promises(), promises.proofs()) == []


def test_the_page_is_current() -> None:
    assert promises.PAGE.read_text(encoding="utf-8") == promises.page()


def test_a_promise_without_a_test_and_a_test_without_a_promise_are_reported() -> None:
    here = "tests/repository/test_promises.py::test_the_page_is_current"
    promised = {"S-01": "proved", "S-02": "not proved", "S-03": "proved by nothing that exists"}
    proved = {"S-01": [here], "S-03": ["tests/repository/test_promises.py::test_none"], "S-04": [here]}
    found = promises.mistakes(promised, proved)
    assert len(found) == 3
    assert [next(name for name in ("S-02", "S-03", "S-04") if name in one) for one in found] == ["S-02", "S-04", "S-03"]


def test_every_list_item_of_the_promises_is_a_promise() -> None:
    text = promises.SECURITY.read_text(encoding="utf-8")
    section = text[text.index("## Promises") : text.index("## What is not promised")]
    items = [line for line in section.splitlines() if line.startswith("- ")]
    assert len(items) == len(promises.promises())

"""The tree in the docstring of errors.py is current, and docs/errors.md has an entry for each code."""

import inspect

import pytest

from keyfob import errors
from keyfob.errors import KeyfobError
from tools.source import ROOT


def drawing(kind: type[KeyfobError], before: str = "") -> list[str]:
    """Draw the classes below one, in the order in which they are written."""
    lines: list[str] = []
    below = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    for child in below:
        is_last = child is below[-1]
        lines.append(f"{before}{'└── ' if is_last else '├── '}{child.__name__}")
        lines += drawing(child, before + ("    " if is_last else "│   "))
    return lines


def every_kind(kind: type[KeyfobError] = KeyfobError) -> list[type[KeyfobError]]:
    below = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [grandchild for child in below for grandchild in [child, *every_kind(child)]]


def headings() -> set[str]:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return {line.lstrip("#").strip().strip("`") for line in page.splitlines() if line.startswith("#")}


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = [line for line in (inspect.getdoc(errors) or "").splitlines() if "── " in line]

    # Text to the right of a name is ignored.
    assert [" ".join(line.split("── ")[:1]) + "── " + line.split("── ")[1].split()[0] for line in drawn] == drawing(
        KeyfobError
    )


@pytest.mark.parametrize("code", errors.CODES)
def test_every_code_has_an_entry_in_the_page_of_errors(code: str) -> None:
    assert code in headings()


@pytest.mark.parametrize("kind", every_kind(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_documented_code_and_exit_code(kind: type[KeyfobError]) -> None:
    assert kind.default_code in errors.CODES
    assert kind.exit in range(1, 9)

"""The class tree in the docstring of errors.py is current, and docs/errors.md has an entry for each code."""

import inspect

import pytest

from keyfob import errors
from keyfob.errors import KeyfobError
from tools.source import ROOT


def tree(kind: type[KeyfobError], prefix: str = "") -> list[str]:
    """Return the tree of the subclasses of an error, in the order of their definition."""
    lines: list[str] = []
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    for child in children:
        is_last = child is children[-1]
        lines.append(f"{prefix}{'└── ' if is_last else '├── '}{child.__name__}")
        lines += tree(child, prefix + ("    " if is_last else "│   "))
    return lines


def every_kind(kind: type[KeyfobError] = KeyfobError) -> list[type[KeyfobError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [grandchild for child in children for grandchild in [child, *every_kind(child)]]


def headings() -> set[str]:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return {line.lstrip("#").strip().strip("`") for line in page.splitlines() if line.startswith("#")}


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    documented = [line for line in (inspect.getdoc(errors) or "").splitlines() if "── " in line]

    # Text to the right of a name is ignored.
    assert [" ".join(line.split("── ")[:1]) + "── " + line.split("── ")[1].split()[0] for line in documented] == tree(
        KeyfobError
    )


@pytest.mark.parametrize("code", errors.CODES)
def test_every_code_has_an_entry_in_the_page_of_errors(code: str) -> None:
    assert code in headings()


@pytest.mark.parametrize("kind", every_kind(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_documented_code_and_exit_code(kind: type[KeyfobError]) -> None:
    assert kind.default_code in errors.CODES
    assert kind.exit in range(1, 9)

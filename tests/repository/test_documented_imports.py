"""The Python blocks of the README and of docs/ import only public modules and public names of keyfob."""

import ast
import importlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.api import IMPORTABLE
from tools.source import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^([ \t]*)```(?:python|py)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
# Private modules that a page still imports. Entries may only be removed.
PRIVATE = {("docs/guard.md", "keyfob.jose.keys")}


def imports(code: str) -> Iterator[tuple[str, str | None]]:
    """Yield each imported module of keyfob, and the name imported from it, if any."""
    for node in ast.walk(ast.parse(textwrap.dedent(code))):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, None) for alias in names if alias.name.split(".")[0] == "keyfob")
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "keyfob":
                yield from ((module, alias.name) for alias in names)
            case _:
                pass


def is_public(module: str, name: str | None) -> bool:
    if f"{module}.{name}" in IMPORTABLE:
        return True
    if module not in IMPORTABLE and not module.startswith("keyfob.testing."):
        return False
    public = importlib.import_module(module)
    return name is None or (hasattr(public, name) and name in getattr(public, "__all__", [name]))


def private_imports(page: Path) -> set[tuple[str, str]]:
    blocks = [code for _, code in BLOCK.findall(page.read_text(encoding="utf-8"))]
    place = page.relative_to(ROOT).as_posix()
    return {(place, module) for code in blocks for module, name in imports(code) if not is_public(module, name)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_imports_only_what_is_public(page: Path) -> None:
    assert private_imports(page) <= PRIVATE


def test_the_list_of_private_imports_has_no_dead_entries() -> None:
    assert set().union(*map(private_imports, PAGES)) >= PRIVATE


def test_a_private_module_and_a_private_name_are_found() -> None:
    code = "import keyfob.client.ports\nfrom keyfob.guard import sys\nfrom keyfob.login import App, aio\nimport os"

    assert [found for found in imports(code) if not is_public(*found)] == [
        ("keyfob.client.ports", None),
        ("keyfob.guard", "sys"),
    ]


def test_every_public_module_can_be_imported_and_is_named_in_the_page_for_contributors() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    for module in IMPORTABLE:
        importlib.import_module(module)
        assert f"`{module}`" in page

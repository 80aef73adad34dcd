"""The commands, flags and links on the pages exist, and generated pages are current."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tools import commands as commands_page
from tools import diagrams, interop, python_api, standards, tables, variants
from tools import map as module_map
from tools.source import ROOT

DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
FOLDERS = (ROOT, DOCS, DOCS / "reference", EXAMPLES, *sorted(path for path in EXAMPLES.iterdir() if path.is_dir()))
PAGES = sorted(page for folder in FOLDERS for page in folder.glob("*.md"))
BLOCK = re.compile(r"^```(?:console|sh|bash|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"(?:^|[;&|(]\s*)make ([a-z-]+)")
KEYFOB = re.compile(r"(?:^|[;&|(]\s*)keyfob ([a-z]+)(?: ([a-z]+)\b)?([^|;&)\n]*)")
FLAG = re.compile(r"(?<=\s)--[a-z][a-z-]*")
# Commands with subcommands.
WITH_SUBCOMMANDS = {"profile", "tenant"}


def lines_to_type(page: Path) -> Iterator[str]:
    """Yield the commands of a page; in a block with prompts, only the lines with a prompt."""
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = block.replace("\\\n", " ").splitlines()
        typed = [line[2:] for line in lines if line.startswith("$ ")] or lines
        yield from (line.strip() for line in typed if not line.lstrip().startswith("#"))


def commands() -> list[tuple[str, str]]:
    """Return each `keyfob` command on the pages, and its arguments."""
    found: set[tuple[str, str]] = set()
    for page in PAGES:
        for line in lines_to_type(page):
            for first, second, rest in KEYFOB.findall(line):
                command = f"{first} {second}" if first in WITH_SUBCOMMANDS else first
                # Arguments after `--` belong to another program.
                found.add((command, f" {second} {rest}".partition(" -- ")[0]))
    return sorted(found)


@cache
def help_of(command: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "keyfob"
    return subprocess.run([program, *command.split(), "--help"], capture_output=True, text=True, check=False)


def test_the_map_is_current() -> None:
    assert module_map.page() == module_map.PAGE.read_text(encoding="utf-8"), "make map"


def test_the_table_of_foreign_programs_is_current() -> None:
    assert interop.page() == interop.PAGE.read_text(encoding="utf-8"), "make docs"


@pytest.mark.parametrize(
    "pages",
    [
        diagrams.files,
        python_api.pages,
        lambda: {commands_page.PAGE: commands_page.page()},
        lambda: {path: fresh(path.read_text(encoding="utf-8")) for path, fresh in tables.PAGES.items()},
        variants.pages,
    ],
    ids=["diagrams", "python", "commands", "tables", "variants"],
)
def test_what_is_generated_from_the_code_is_current(pages: Callable[[], dict[Path, str]]) -> None:
    fresh = pages()

    assert {path: path.read_text(encoding="utf-8") for path in fresh} == fresh, "make docs"


def test_the_pages_of_standards_are_current() -> None:
    pages = standards.pages()

    assert {path: path.read_text(encoding="utf-8") for path in pages} == pages, "make docs"
    assert set(standards.PAGES.glob("*.md")) == pages.keys() - {standards.PAGE}, "a page too many"


def test_a_citation_covers_the_parts_of_a_section_and_not_its_neighbours() -> None:
    [asked] = standards.citations("RFC 6749 §4.1")

    assert standards.touches(asked, ("6749", "4.1.2"))
    assert standards.touches(asked, ("6749", "4"))
    assert standards.touches(asked, ("6749", ""))
    assert not standards.touches(asked, ("6749", "4.10"))
    assert not standards.touches(asked, ("8628", "4.1"))
    assert standards.citations("RFC 8628 §3.1-3.2, RFC 7009") == {("8628", "3.1"), ("8628", "3.2"), ("7009", "")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_make_target_on_a_page_is_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert {word for line in lines_to_type(page) for word in MAKE.findall(line)} <= targets


@pytest.mark.parametrize(("command", "rest"), commands())
def test_every_command_on_a_page_exists_with_its_flags(command: str, rest: str) -> None:
    helped = help_of(command)

    assert helped.returncode == 0, helped.stderr
    assert [flag for flag in FLAG.findall(rest) if flag not in helped.stdout] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)\s]+)\)", text)]

    assert [link for link in links if not (page.parent / link).exists()] == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = [heading.strip().lower() for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    return {re.sub(r"[^a-z0-9_ -]", "", heading).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_section_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:)([^)\s#]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    sections = [((page.parent / file if file else page), anchor) for file, anchor in links]

    assert [(file.name, anchor) for file, anchor in sections if anchor not in anchors(file)] == []

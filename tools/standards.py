"""List for each requirement of the standards the modules that implement it and the tests that prove it.

    python -m tools.standards            bring docs/standards.md up to date
    python -m tools.standards --check    only report whether it is

The requirements are data, in docs/standards/requirements.json. A test proves one if it names it in brackets, in its
docstring or in a comment: `[C-8628-03]`. A module implements it if it names it or, where no module does, if one of its
docstrings cites the section. Comments `DEVIATION:` in the source are listed below the table.
"""

import ast
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypedDict, cast

from tools.source import ROOT, TESTS, Module, modules, settle

PAGE = ROOT / "docs" / "standards.md"
DATA = ROOT / "docs" / "standards" / "requirements.json"
ROLES = {"C": "client", "AS": "server", "RS": "resource"}

ID = re.compile(r"\[((?:C|AS|RS)-[A-Za-z0-9]+-\d\d)\]")
BARE_ID = re.compile(r"\b(?:C|AS|RS)-[A-Za-z0-9]+-\d\d\b")
CITED = re.compile(
    r"(RFC ?\d{4,5}|\d{4,5}(?= ?§)|OIDC Core|OIDC Discovery|OIDD)(?: ?§+ ?([\d.]+(?:(?:, |[-–])[\d.]+)*))?"
)
DEVIATION = re.compile(r"DEVIATION:\s*(.+)")


class Requirement(TypedDict):
    """One row of requirements.json."""

    id: str
    level: str
    section: str
    requirement: str


@dataclass(frozen=True, order=True)
class Proof:
    """A place in the tests that names a requirement."""

    path: str
    test: str

    def link(self) -> str:
        """Return the place as Markdown, seen from docs/."""
        return f"[{self.test or Path(self.path).stem}](../{self.path})"


def requirements() -> list[Requirement]:
    """Read the requirements."""
    return cast("list[Requirement]", json.loads(DATA.read_text(encoding="utf-8")))


def citations(words: str) -> set[tuple[str, str]]:
    """Return the sections that a text cites, as pairs of a standard and a section; "" means the whole standard."""
    found: set[tuple[str, str]] = set()
    for standard, sections in CITED.findall(words.replace("\n", " ")):
        name = standard.removeprefix("RFC").strip().replace("OIDD", "OIDC Discovery")
        found |= {(name, section.rstrip(".")) for section in re.split(r", |[-–]", sections)}
    return found


def touches(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Return whether two citations are of the same section, or one of a part of the other."""
    if one[0] != other[0]:
        return False
    short, long = sorted((one[1], other[1]), key=len)
    return not short or short == long or long.startswith(short + ".")


@cache
def cited_in(module: Module) -> frozenset[tuple[str, str]]:
    """Return the citations in a module's docstrings."""
    return frozenset(one for words in module.docstrings() for one in citations(words))


@cache
def named_in(module: Module) -> frozenset[str]:
    """Return the requirements that a module names."""
    return frozenset(BARE_ID.findall(module.text))


def keepers(requirement: Requirement, source: list[Module]) -> list[str]:
    """Return the modules that implement a requirement: those that name it or else those that cite its section."""
    named = [module.place for module in source if requirement["id"] in named_in(module)]
    asked = citations(requirement["section"])
    return named or [module.place for module in source if any(touches(a, b) for a in cited_in(module) for b in asked)]


def proofs_in(path: Path) -> Iterator[tuple[str, Proof]]:
    """Yield each requirement that a file of tests names, and the test that names it."""
    text, place = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
    tests = [
        (range(node.lineno, (node.end_lineno or node.lineno) + 1), node.name)
        for node in ast.walk(ast.parse(text if path.suffix == ".py" else ""))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    for number, words in enumerate(text.splitlines(), start=1):
        for name in ID.findall(words):
            yield name, Proof(place, next((test for lines, test in tests if number in lines), ""))


def proofs() -> dict[str, list[Proof]]:
    """Return the tests that name each requirement. Tests of the repository itself prove nothing about a standard."""
    found: defaultdict[str, set[Proof]] = defaultdict(set)
    for path in sorted(TESTS.rglob("*")):
        if path.suffix in {".py", ".txt"} and "repository" not in path.relative_to(TESTS).parts[:1]:
            for name, proof in proofs_in(path):
                found[name].add(proof)
    return {name: sorted(places) for name, places in found.items()}


def cell(words: str) -> str:
    """Return a text that does not break a table."""
    return words.replace("|", "\\|")


def row(requirement: Requirement, proved: list[Proof], source: list[Module]) -> str:
    """Return one line of the table."""
    kept = ", ".join(f"`{place}`" for place in keepers(requirement, source)) or "–"
    tests = ", ".join(proof.link() for proof in proved)
    asked = f"{requirement['id']} | {requirement['level']} | {cell(requirement['requirement'])}"
    return f"| {asked} | {requirement['section']} | {kept} | {tests} |"


def deviations(source: list[Module]) -> list[str]:
    """Return the marked departures from a standard, one line each."""
    return [f"- `{module.place}`: {words.strip()}" for module in source for words in DEVIATION.findall(module.text)]


def page() -> str:
    """Return docs/standards.md.

    Raises:
        SystemExit: A test names a requirement that does not exist.
    """
    asked, proved, source = requirements(), proofs(), modules()
    if unknown := sorted(set(proved) - {r["id"] for r in asked}):
        raise SystemExit(f"no such requirement: {', '.join(unknown)} ({proved[unknown[0]][0].path})")
    left = Counter(r["id"].split("-")[0] for r in asked if r["id"] not in proved)
    total = Counter(r["id"].split("-")[0] for r in asked)
    lines = [
        "# The standards, and where they are kept",
        "",
        "Made by `make docs` from `docs/standards/requirements.json`, the docstrings of the source and the names of",
        "requirements in the tests. A row stands here when a test proves it; the rest is only counted.",
        "",
        "| role | asked | proved | not yet proved |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {word} | {total[role]} | {total[role] - left[role]} | {left[role]} |" for role, word in ROLES.items()),
        "",
        "| requirement | level | what it asks | section | kept in | proved by |",
        "| --- | --- | --- | --- | --- | --- |",
        *(row(r, proved[r["id"]], source) for r in asked if r["id"] in proved),
        "",
        "## Deviations",
        "",
        *(deviations(source) or ["None is marked."]),
        "",
    ]
    return "\n".join(lines)


def main(words: list[str]) -> int:
    """Run the command line."""
    return settle(PAGE, page(), check="--check" in words, remedy="make docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

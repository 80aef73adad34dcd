"""Generate docs/standards.md: for each requirement of a standard, the modules that implement it and their tests.

    python -m tools.standards            bring docs/standards.md up to date
    python -m tools.standards --check    only report whether it is

The requirements are in docs/standards/requirements.json. A test proves a requirement if its docstring or a comment
contains the name in brackets: `[C-8628-03]`. A module implements a requirement if it contains the name or, if no module
does, if one of its docstrings cites the section. Comments `DEVIATION:` in the source are listed below the table.
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
from typing import NotRequired, TypedDict, cast

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
    """One row of requirements.json. `unproved` says why no test proves it."""

    id: str
    level: str
    section: str
    requirement: str
    unproved: NotRequired[str]


@dataclass(frozen=True, order=True)
class Proof:
    """A place in the tests that names a requirement."""

    path: str
    test: str

    def link(self) -> str:
        """Return a Markdown link, relative to docs/."""
        return f"[{self.test or Path(self.path).stem}](../{self.path})"


def requirements() -> list[Requirement]:
    return cast("list[Requirement]", json.loads(DATA.read_text(encoding="utf-8")))


def citations(text: str) -> set[tuple[str, str]]:
    """Return the sections that a text cites: pairs of a standard and a section, or "" for the whole standard."""
    found: set[tuple[str, str]] = set()
    for standard, sections in CITED.findall(text.replace("\n", " ")):
        name = standard.removeprefix("RFC").strip().replace("OIDD", "OIDC Discovery")
        found |= {(name, section.rstrip(".")) for section in re.split(r", |[-–]", sections)}
    return found


def touches(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Return whether one citation is of the same section as the other or of a part of it."""
    if one[0] != other[0]:
        return False
    short, long = sorted((one[1], other[1]), key=len)
    return not short or short == long or long.startswith(short + ".")


@cache
def cited_in(module: Module) -> frozenset[tuple[str, str]]:
    """Return the citations in a module's docstrings."""
    return frozenset(one for text in module.docstrings() for one in citations(text))


@cache
def named_in(module: Module) -> frozenset[str]:
    """Return the requirements whose names a module contains."""
    return frozenset(BARE_ID.findall(module.text))


def implementers(requirement: Requirement, source: list[Module]) -> list[str]:
    """Return the modules that name a requirement or, if there are none, those that cite its section."""
    named = [module.place for module in source if requirement["id"] in named_in(module)]
    sections = citations(requirement["section"])
    return named or [
        module.place for module in source if any(touches(a, b) for a in cited_in(module) for b in sections)
    ]


def proofs_in(path: Path) -> Iterator[tuple[str, Proof]]:
    """Yield each requirement that a test file names, and the test that names it."""
    text, place = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
    tests = [
        (range(node.lineno, (node.end_lineno or node.lineno) + 1), node.name)
        for node in ast.walk(ast.parse(text if path.suffix == ".py" else ""))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    for number, line in enumerate(text.splitlines(), start=1):
        for name in ID.findall(line):
            yield name, Proof(place, next((test for lines, test in tests if number in lines), ""))


def proofs() -> dict[str, list[Proof]]:
    """Return the tests that name each requirement, without the tests of the repository itself."""
    found: defaultdict[str, set[Proof]] = defaultdict(set)
    for path in sorted(TESTS.rglob("*")):
        if path.suffix in {".py", ".txt"} and "repository" not in path.relative_to(TESTS).parts[:1]:
            for name, proof in proofs_in(path):
                found[name].add(proof)
    return {name: sorted(places) for name, places in found.items()}


def cell(text: str) -> str:
    """Escape a text for a cell of a table."""
    return text.replace("|", "\\|")


def row(requirement: Requirement, proved: list[Proof], source: list[Module]) -> str:
    """Return one line of the table."""
    places = ", ".join(f"`{place}`" for place in implementers(requirement, source)) or "–"
    tests = ", ".join(proof.link() for proof in proved)
    columns = f"{requirement['id']} | {requirement['level']} | {cell(requirement['requirement'])}"
    return f"| {columns} | {requirement['section']} | {places} | {tests} |"


def deviations(source: list[Module]) -> list[str]:
    """Return the marked deviations from a standard, one line each."""
    return [f"- `{module.place}`: {text.strip()}" for module in source for text in DEVIATION.findall(module.text)]


def page() -> str:
    """Return docs/standards.md.

    Raises:
        SystemExit: A test names a requirement that does not exist.
    """
    required, proved, source = requirements(), proofs(), modules()
    if unknown := sorted(set(proved) - {r["id"] for r in required}):
        raise SystemExit(f"no such requirement: {', '.join(unknown)} ({proved[unknown[0]][0].path})")
    left = Counter(r["id"].split("-")[0] for r in required if r["id"] not in proved)
    total = Counter(r["id"].split("-")[0] for r in required)
    lines = [
        "# Standards, implementations and tests",
        "",
        "Generated by `make docs` from `docs/standards/requirements.json`, the docstrings of the source and the names",
        "of requirements in the tests. The table has the requirements that a test proves; the others follow it.",
        "",
        "| role | required | proved | not yet proved |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {word} | {total[role]} | {total[role] - left[role]} | {left[role]} |" for role, word in ROLES.items()),
        "",
        "| requirement | level | text | section | implemented in | proved by |",
        "| --- | --- | --- | --- | --- | --- |",
        *(row(r, proved[r["id"]], source) for r in required if r["id"] in proved),
        "",
        "## Not proved",
        "",
        *(f"- {r['id']}: {r.get('unproved', 'There is no test yet.')}" for r in required if r["id"] not in proved),
        "",
        "## Deviations",
        "",
        *(deviations(source) or ["None is marked."]),
        "",
    ]
    return "\n".join(lines)


def main(words: list[str]) -> int:
    return settle(PAGE, page(), check="--check" in words, remedy="make docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

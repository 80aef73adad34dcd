"""Generate docs/standards.md and a page for each standard: its requirements, and the modules and tests for each.

    python -m tools.standards            bring docs/standards.md and docs/standards/*.md up to date
    python -m tools.standards --check    only report whether they are up to date

The requirements are in docs/standards/requirements.json. A test proves a requirement if its docstring or a comment
contains the name in brackets: `[C-8628-03]`. A module implements a requirement if it contains the name or, if no module
does, if one of its docstrings cites the section. Comments `DEVIATION:` in the source are listed in docs/standards.md.
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

from tools.source import ROOT, TESTS, Module, modules, settle, table

PAGE = ROOT / "docs" / "standards.md"
DATA = ROOT / "docs" / "standards" / "requirements.json"
PAGES = ROOT / "docs" / "standards"
ROLES = {"C": "client", "AS": "server", "RS": "resource"}
# The standards by the middle of a requirement's name: a number is that of an RFC.
STANDARDS = {
    "6749": "The OAuth 2.0 Authorization Framework",
    "6750": "Bearer Token Usage",
    "7009": "Token Revocation",
    "7515": "JSON Web Signature (JWS)",
    "7517": "JSON Web Key (JWK)",
    "7518": "JSON Web Algorithms (JWA)",
    "7519": "JSON Web Token (JWT)",
    "7523": "JWT Profile for Client Authentication and Authorization Grants",
    "7523b": "Audience values of client assertions (draft-ietf-oauth-rfc7523bis)",
    "7636": "Proof Key for Code Exchange (PKCE)",
    "7662": "Token Introspection",
    "8252": "OAuth 2.0 for Native Apps",
    "8414": "Authorization Server Metadata",
    "8628": "Device Authorization Grant",
    "8693": "Token Exchange",
    "8705": "Mutual-TLS Client Authentication and Certificate-Bound Access Tokens",
    "8707": "Resource Indicators",
    "8725": "JSON Web Token Best Current Practices",
    "9068": "JWT Profile for Access Tokens",
    "9126": "Pushed Authorization Requests (PAR)",
    "9207": "Authorization Server Issuer Identification",
    "9449": "Demonstrating Proof of Possession (DPoP)",
    "9470": "Step Up Authentication Challenge",
    "9700": "Best Current Practice for OAuth 2.0 Security",
    "9728": "Protected Resource Metadata",
    "10027": "Cross-Device Flows: Security Best Current Practice",
    "OIDC": "OpenID Connect Core 1.0 and Discovery 1.0",
    "RPIL": "OpenID Connect RP-Initiated Logout 1.0",
    "NIST": "NIST SP 800-63B-4: passwords and authenticators",
    "ASVS": "OWASP Application Security Verification Standard 5.0",
    "IMPL": "What follows from the standards without being written in one",
}

INTRODUCTION = """\
Each page lists the requirements of one standard, the modules that implement them, and the tests that prove them.
`make docs` generates these pages from `docs/standards/requirements.json`, the docstrings of the source and the names of
requirements in the tests.
"""

ID = re.compile(r"\[((?:C|AS|RS)-[A-Za-z0-9]+-\d\d)\]")
BARE_ID = re.compile(r"\b(?:C|AS|RS)-[A-Za-z0-9]+-\d\d\b")
CITED = re.compile(
    r"(RFC ?\d{4,5}|\d{4,5}(?= ?§)|OIDC Core|OIDC Discovery|OIDD)(?: ?§+ ?([\d.]+(?:(?:, |[-–])[\d.]+)*))?"
)
DEVIATION = re.compile(r"DEVIATION:\s*(.+)")


class Requirement(TypedDict):
    """An object of requirements.json. `unproved` is the reason why no test proves the requirement."""

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
        """Return a Markdown link, relative to docs/standards/. The text is the test's name with spaces."""
        words = self.test.removeprefix("test_").replace("_", " ") or Path(self.path).name
        return f"[{words}](../../{self.path})"


def requirements() -> list[Requirement]:
    return cast("list[Requirement]", json.loads(DATA.read_text(encoding="utf-8")))


def citations(text: str) -> set[tuple[str, str]]:
    """Return the citations in a text as pairs of standard and section; the section "" is the whole standard."""
    found: set[tuple[str, str]] = set()
    for standard, sections in CITED.findall(text.replace("\n", " ")):
        name = standard.removeprefix("RFC").strip().replace("OIDD", "OIDC Discovery")
        found |= {(name, section.rstrip(".")) for section in re.split(r", |[-–]", sections)}
    return found


def touches(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Return whether one citation refers to the section of the other citation, or to a part of that section."""
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


def standard_of(requirement: Requirement) -> str:
    return requirement["id"].split("-")[1]


def title(standard: str) -> str:
    """Return the title of a standard's page."""
    return f"RFC {standard}: {STANDARDS[standard]}" if standard.isdigit() else STANDARDS[standard]


def file_name(standard: str) -> str:
    """Return the name of a standard's page."""
    return f"rfc{standard}.md" if standard.isdigit() else f"{standard.lower()}.md"


def blocks(requirement: Requirement, proved: list[Proof], source: list[Module]) -> Iterator[str]:
    """Yield the blocks about a requirement on the page of its standard."""
    yield f"### {requirement['id']}"
    yield f"**{requirement['level']}**: {requirement['requirement']} ({requirement['section']})"
    places = [f"`{place}`" for place in implementers(requirement, source)]
    lines = [f"- Code: {', '.join(places)}"] if places else []
    missing = requirement.get("unproved", "There is no test yet.")
    lines += [f"- Test: {proof.link()}" for proof in proved] or [f"- Not proved: {missing}"]
    yield "\n".join(lines)


def deviations(source: list[Module]) -> list[str]:
    """Return the marked deviations from a standard, one line each."""
    return [f"- `{module.place}`: {text.strip()}" for module in source for text in DEVIATION.findall(module.text)]


def standard_page(standard: str, proved: dict[str, list[Proof]], source: list[Module]) -> str:
    """Return the page of a standard."""
    parts = [f"# {title(standard)}", "Generated by `make docs`; [all standards](../standards.md)."]
    for role, word in ROLES.items():
        rows = [r for r in requirements() if standard_of(r) == standard and r["id"].startswith(f"{role}-")]
        parts += [f"## At the {word}"] if rows else []
        parts += [block for one in rows for block in blocks(one, proved.get(one["id"], []), source)]
    return "\n\n".join(parts) + "\n"


def index(proved: dict[str, list[Proof]], source: list[Module]) -> str:
    """Return docs/standards.md."""
    required = requirements()
    total, done = Counter(map(standard_of, required)), Counter(standard_of(r) for r in required if r["id"] in proved)
    roles = Counter(r["id"].split("-")[0] for r in required)
    left = Counter(r["id"].split("-")[0] for r in required if r["id"] not in proved)
    parts = [
        "# Standards, implementations and tests",
        INTRODUCTION.rstrip(),
        table(
            ["role", "required", "proved", "not yet proved"],
            [[word, str(roles[r]), str(roles[r] - left[r]), str(left[r])] for r, word in ROLES.items()],
        ).rstrip(),
        table(
            ["standard", "required", "proved"],
            [[f"[{title(s)}](standards/{file_name(s)})", str(total[s]), str(done[s])] for s in STANDARDS],
        ).rstrip(),
        "## Deviations",
        "\n".join(deviations(source) or ["None is marked."]),
    ]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """Return the text of each page.

    Raises:
        SystemExit: A test names a requirement that does not exist.
    """
    required, proved, source = requirements(), proofs(), modules()
    if unknown := sorted(set(proved) - {r["id"] for r in required}):
        raise SystemExit(f"no such requirement: {', '.join(unknown)} ({proved[unknown[0]][0].path})")
    own = {PAGES / file_name(one): standard_page(one, proved, source) for one in STANDARDS}
    return {PAGE: index(proved, source), **own}


def main(words: list[str]) -> int:
    return max(settle(path, text, check="--check" in words, remedy="make docs") for path, text in pages().items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

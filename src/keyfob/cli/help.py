"""`keyfob help`: print the explanation of an error, or a page of the documentation, from files in the wheel."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from keyfob.cli import manual
from keyfob.errors import CODES, Misuse

PAGES: Final = ("agent", "audit", "auth0", "calls", "ci", "commands", "embed", "errors", "flows", "frameworks", "guard",
                "https", "interop", "issuers", "login", "mcp", "migrating", "operations", "pages", "phishing",
                "proxies", "sdks", "standards", "tenant", "testing", "threats", "tools", "typer", "vault",
                "wire")  # fmt: skip
_LINK: Final = re.compile(r"\[([^]]+)\]\(([^)\s]+)\)")
_NAMED: Final = re.compile(r"(?:docs/)?([a-z0-9]+)\.md(?:#([a-z0-9-]+))?\Z")


def find(word: str) -> str:
    """Return the text for an error's code, for a page such as `docs/vault.md`, or for a section such as `scopes`.

    Raises:
        Misuse: There is no such code, page or section.
    """
    page, section = ("errors", word) if word in CODES else _page_of(word)
    if not page:
        page, section = _section_of(word)
    text = read_file(f"{page}.md")
    if section is not None:
        text = sections(text).get(section, "")
    if not text:
        near = get_close_matches(word, [*CODES, *PAGES, *topics()], 1)
        raise Misuse("there is no help on this topic", hint=f"Did you mean: keyfob help {near[0]}" if near else
                     "Run: keyfob help")  # fmt: skip
    return "".join(f"{line}\n" for line in map(_plain, _paragraphs(text)))


def sections(page: str) -> dict[str, str]:
    """Return the sections of a page by the anchors of their headings."""
    parts = re.split(r"^(?=##+ )", page, flags=re.MULTILINE)
    return {_anchor(part.partition("\n")[0]): part for part in parts if part.startswith("##")}


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")


def topics() -> list[str]:
    """Return the section names that `find` accepts: the headings of all pages, as anchors."""
    return sorted({name for page in PAGES if page != "errors" for name in sections(read_file(f"{page}.md"))})


def _section_of(word: str) -> tuple[str, str | None]:
    """Return the page and the section of a topic. If the topic is a page, such as `guard`, the section is None."""
    if word in PAGES:
        return word, None
    for page in PAGES:
        if word in sections(read_file(f"{page}.md")):
            return page, word
    return "", None


def _page_of(word: str) -> tuple[str, str | None]:
    found = _NAMED.match(word)
    return (found[1], found[2]) if found is not None and found[1] in PAGES else ("", None)


def read_file(name: str) -> str:
    """Return a documentation file from the wheel or the source tree; "" if there is no such file."""
    here = Path(__file__).parents
    for folder in (here[1] / "docs", here[3] / "docs"):
        path = folder / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return ""


def _paragraphs(text: str) -> list[str]:
    """Return the lines of a text for a terminal. Paragraphs are filled; code, tables and lists keep their lines."""
    lines: list[str] = []
    for block in re.split(r"\n{2,}", text.strip()):
        if lines:
            lines.append("")
        keeps_lines = block.startswith(("#", "|", "```", "- ", "1. "))
        lines += block.splitlines() if keeps_lines else manual.fill(_plain(block.replace("\n", " "))).splitlines()
    return [line for line in lines if not line.startswith("```")]


def _plain(line: str) -> str:
    """Return a line without the Markdown syntax. A link to a page becomes the command that prints the page."""

    def link(found: re.Match[str]) -> str:
        text, address = found[1], found[2]
        name = _NAMED.match(address)
        return f"{text} (keyfob help docs/{address})" if name is not None and name[1] in PAGES else text

    return _LINK.sub(link, line.lstrip("#").lstrip() if line.startswith("#") else line)

"""Build the documentation site from README.md, the other pages at the top and docs/, by Zensical.

    python -m tools.site PROGRAM    build site/ by that `zensical`; a broken link or anchor fails

The pages are written for a code host. Here each is copied, and its links are changed to fit: README.md becomes the
first page, and a link to a file that is not on the site becomes a link to the repository, or its text alone if
`[project.urls]` names none.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import cast

from tools.source import ROOT

CONFIG = ROOT / "docs" / "zensical.toml"
STAGE = ROOT / ".cache" / "site"
SITE = ROOT / "site"
# What a page may show or offer beside text.
FILES = frozenset({".md", ".png", ".svg", ".json", ".css"})
PRIVATE = frozenset({"promises.json", "sizing.json", "requirements.json"})
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
# What a browser fetches by itself; a link that a reader follows may lead anywhere.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(https?:[^\"'\s>]+)"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|icon|preconnect|preload))[^>]*\bhref=[\"']?(https?:[^\"'\s>]+)"
    r"|url\([\"']?(https?:[^\"')]+)"
)
Nav = Sequence["str | dict[str, str | Nav]"]


def sources() -> dict[str, Path]:
    """Return the source files by their paths on the site."""
    files = [path for path in (ROOT / "docs").rglob("*") if path.suffix in FILES and path.name not in PRIVATE]
    places = {path.relative_to(ROOT / "docs").as_posix(): path for path in sorted(files)}
    places |= {path.name: path for path in sorted(ROOT.glob("*.md"))}
    return {re.sub(r"\bREADME\.md$", "index.md", place): path for place, path in places.items()}


def relinked(text: str, page: Path, place: str, places: dict[Path, str], repository: str) -> str:
    """Return a page whose links are changed to paths on the site. Links within code stay unchanged."""

    def change(found: re.Match[str]) -> str:
        image, words, address, anchor = found[1], found[2], found[3], found[4] or ""
        target = Path(os.path.normpath(page.parent / address))
        if target in places:
            here = os.path.relpath(places[target], PurePosixPath(place).parent)
            return f"{image}[{words}]({Path(here).as_posix()}{anchor})"
        if not target.exists():
            raise SystemExit(f"{page.relative_to(ROOT)}: no such file: {address}")
        shown = target.relative_to(ROOT).as_posix()
        return f"[{words}]({repository}/blob/main/{shown})" if repository else words

    # A link may have code as its words, so only code blocks are split off first.
    parts = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(change, part) for part in parts)


def expanded(nav: Nav, places: Sequence[str]) -> Nav:
    """Return the navigation, in which each `*` is replaced by the pages that it represents."""
    named = set(names(nav))

    def pages(pattern: str) -> list[str]:
        folder = pattern.removesuffix("*").rstrip("/") or "."
        return [one for one in places if one not in named and PurePosixPath(one).parent.as_posix() == folder]

    def item(one: "str | dict[str, str | Nav]") -> list["str | dict[str, str | Nav]"]:
        if isinstance(one, str):
            return [*pages(one)] if one.endswith("*") else [one]
        return [{title: part if isinstance(part, str) else expanded_in(part) for title, part in one.items()}]

    def expanded_in(part: Nav) -> Nav:
        return [new for one in part for new in item(one)]

    return expanded_in(nav)


def names(nav: Nav) -> Iterator[str]:
    """Yield the pages that a navigation names."""
    for one in nav:
        if isinstance(one, str):
            yield one
        else:
            for part in one.values():
                yield from [part] if isinstance(part, str) else names(part)


def toml(value: object) -> str:
    """Return a navigation as TOML."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return "{ " + ", ".join(f'"{key}" = {toml(part)}' for key, part in members.items()) + " }"
    if isinstance(value, str):
        return f'"{value}"'
    return "[" + ", ".join(toml(part) for part in cast("Sequence[object]", value)) + "]"


def stage() -> None:
    """Write the pages and the configuration to .cache/site."""
    shutil.rmtree(STAGE, ignore_errors=True)
    files = sources()
    places = {path: place for place, path in files.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = str(project.get("urls", {}).get("Source", ""))
    for place, path in files.items():
        copy = STAGE / "pages" / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            text = relinked(path.read_text(encoding="utf-8"), path, place, places, repository)
            _ = copy.write_text(text, encoding="utf-8", newline="\n")
        else:
            _ = shutil.copy(path, copy)
    written = CONFIG.read_text(encoding="utf-8")
    nav = expanded(tomllib.loads(written)["project"]["nav"], [place for place in files if place.endswith(".md")])
    if missing := sorted({place for place in files if place.endswith(".md")} - set(names(nav))):
        raise SystemExit(f"docs/zensical.toml has no place for {', '.join(missing)}")
    lines = re.sub(r"^nav = \[\n.*?^\]\n", lambda _: f"nav = {toml(nav)}\n", written, flags=re.MULTILINE | re.DOTALL)
    _ = (STAGE / "zensical.toml").write_text(lines, encoding="utf-8")


def fetched(site: Path) -> list[str]:
    """Return the addresses on other hosts that a browser would fetch for any page."""
    found = set[str]()
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        for addresses in FETCHED.findall(path.read_text(encoding="utf-8")):
            found |= {f"{path.name}: {address}" for address in addresses if address}
    return sorted(found)


def main(words: list[str]) -> int:
    [program] = words
    stage()
    done = subprocess.run([Path(program).absolute(), "build", "--clean", "--strict"], cwd=STAGE, check=False)
    if done.returncode:
        return done.returncode
    if outside := fetched(STAGE / "html"):
        print("the site would fetch from elsewhere:", *outside, sep="\n  ", file=sys.stderr)
        return 1
    shutil.rmtree(SITE, ignore_errors=True)
    _ = shutil.move(STAGE / "html", SITE)
    print(f"open {(SITE / 'index.html').relative_to(ROOT)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Write the repository's address into pyproject.toml and README.md, before the packages of a release are built.

    python -m tools.release https://HOST/OWNER/NAME

A clone does not know where it is published; the release workflow does. PyPI shows README.md without the files beside
it, so on PyPI the links and the picture need the address of the repository.
"""

import re
import sys
import tomllib

from tools.site import LINK
from tools.source import ROOT

PROJECT, README = ROOT / "pyproject.toml", ROOT / "README.md"
ADDRESS = re.compile(r"https://[\w.-]+(?:/[\w.-]+){2}")


def with_urls(project: str, address: str) -> str:
    """Return pyproject.toml with `[project.urls]`."""
    places = {
        "Documentation": f"{address}/blob/main/docs/reference/README.md",
        "Source": address,
        "Issues": f"{address}/issues",
        "Changelog": f"{address}/blob/main/CHANGELOG.md",
    }
    lines = "".join(f'{name} = "{place}"\n' for name, place in places.items())
    return f"{project}\n[project.urls]\n{lines}"


def with_links(readme: str, address: str) -> str:
    """Return README.md with links to the repository. The links of pictures lead to the raw files."""

    def link(found: re.Match[str]) -> str:
        image, words, place, anchor = found[1], found[2], found[3], found[4] or ""
        return f"{image}[{words}]({address}/{'raw' if image else 'blob'}/main/{place}{anchor})"

    return LINK.sub(link, readme)


def main(words: list[str]) -> int:
    if len(words) != 1 or not ADDRESS.fullmatch(words[0]):
        print("usage: python -m tools.release https://HOST/OWNER/NAME", file=sys.stderr)
        return 2
    project, readme = PROJECT.read_text(encoding="utf-8"), README.read_text(encoding="utf-8")
    if "urls" in tomllib.loads(project)["project"]:
        print("pyproject.toml has the address of a repository already", file=sys.stderr)
        return 1
    _ = PROJECT.write_text(with_urls(project, words[0]), encoding="utf-8", newline="\n")
    _ = README.write_text(with_links(readme, words[0]), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

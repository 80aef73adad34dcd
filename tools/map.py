"""List every module with its purpose, read from its docstring, in docs/map.md.

    python -m tools.map            print each module, its length and its purpose; bring the page up to date
    python -m tools.map --quiet    only bring it up to date
    python -m tools.map --check    only report whether it is

The page leaves the lengths out, so that it changes when a module does and not with every line.
"""

import sys

from tools.source import ROOT, SOURCE, Module, modules, settle

PAGE = ROOT / "docs" / "map.md"
WIDEST = 26
TOP = """\
# The map

Every module and its purpose, made by `make map` from the first lines of the docstrings. How the packages fit together
is in [ARCHITECTURE.md](../ARCHITECTURE.md).
"""


def in_order() -> list[Module]:
    """Return the modules, those at the top first and each package's own docstring before its files."""
    return sorted(
        modules(), key=lambda m: (m.path.parent != SOURCE, m.path.parent, m.path.name != "__init__.py", m.place)
    )


def purpose(module: Module) -> str:
    """Return the first sentence of a module's docstring."""
    return module.first_line.partition(". ")[0].rstrip(".") + "."


def line(module: Module, *, lengths: bool) -> str:
    """Return one line of the map: a package at the margin, a file indented."""
    number = f"{module.length:4}  " if lengths else ""
    if module.path.name == "__init__.py":
        place = module.path.parent.relative_to(SOURCE.parent).as_posix().removeprefix("keyfob/") + "/"
        blank = "" if place == "keyfob/" else "\n"
        return f"{blank}{place:{WIDEST}}  {' ' * len(number)}{purpose(module)}".rstrip()
    return f"{'    ' + module.path.name:{WIDEST}}  {number}{purpose(module)}".rstrip()


def listing(*, lengths: bool) -> str:
    """Return the whole map."""
    return "\n".join(line(module, lengths=lengths) for module in in_order())


def page() -> str:
    """Return docs/map.md."""
    return f"{TOP}\n```\n{listing(lengths=False)}\n```\n"


def main(words: list[str]) -> int:
    """Run the command line."""
    if not words:
        print(listing(lengths=True))
    return settle(PAGE, page(), check="--check" in words, remedy="make map")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

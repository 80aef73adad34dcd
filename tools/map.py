"""Draw the house from its docstrings, and keep the drawing in ARCHITECTURE.md current.

    python -m tools.map            print each module, its length and its purpose; bring the drawing up to date
    python -m tools.map --quiet    only bring it up to date
    python -m tools.map --check    only say whether it is

The drawing leaves the lengths out, so that it changes when the house does and not with every line.
"""

import sys

from tools.house import ROOT, SOURCE, Module, modules, settle

PAGE = ROOT / "ARCHITECTURE.md"
BEGIN = "<!-- map: begin, made by `make map` -->"
END = "<!-- map: end -->"
WIDEST = 26


def rooms() -> list[Module]:
    """Return the modules, those at the top first and each room's own docstring before its files."""
    return sorted(
        modules(), key=lambda m: (m.path.parent != SOURCE, m.path.parent, m.path.name != "__init__.py", m.place)
    )


def purpose(module: Module) -> str:
    """Return the first sentence that a module says of itself."""
    return module.first_line.partition(". ")[0].rstrip(".") + "."


def line(module: Module, *, lengths: bool) -> str:
    """Return one line of the map: a room against the margin, a file set in."""
    number = f"{module.length:4}  " if lengths else ""
    if module.path.name == "__init__.py":
        place = module.path.parent.relative_to(SOURCE.parent).as_posix().removeprefix("keyfob/") + "/"
        blank = "" if place == "keyfob/" else "\n"
        return f"{blank}{place:{WIDEST}}  {' ' * len(number)}{purpose(module)}".rstrip()
    return f"{'    ' + module.path.name:{WIDEST}}  {number}{purpose(module)}".rstrip()


def draw(*, lengths: bool) -> str:
    """Return the whole map."""
    return "\n".join(line(module, lengths=lengths) for module in rooms())


def page_with_map(page: str) -> str:
    """Return ARCHITECTURE.md with the map between its marks.

    Raises:
        SystemExit: The marks are not there.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE.name} has lost the marks {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n```\n{draw(lengths=False)}\n```\n{END}{after}"


def main(words: list[str]) -> int:
    """Do what the words on the command line say."""
    if not words:
        print(draw(lengths=True))
    fresh = page_with_map(PAGE.read_text(encoding="utf-8"))
    return settle(PAGE, fresh, check="--check" in words, remedy="make map")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

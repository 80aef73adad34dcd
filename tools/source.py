"""Read the modules of keyfob and their docstrings, and write the pages that are generated from them."""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "keyfob"
TESTS = ROOT / "tests"


@dataclass(frozen=True)
class Module:
    """One file of the package, read as text without importing it."""

    path: Path

    @property
    def place(self) -> str:
        """The path below the package, such as `client/io/world.py`."""
        return self.path.relative_to(SOURCE).as_posix()

    @property
    def name(self) -> str:
        """The dotted name, such as `keyfob.client.io.world`."""
        parts = ("keyfob", *self.path.relative_to(SOURCE).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    @property
    def length(self) -> int:
        """The number of lines."""
        return len(self.text.splitlines())

    @property
    def docstring(self) -> str:
        """The module docstring, or ""."""
        return ast.get_docstring(self.tree) or ""

    @property
    def first_line(self) -> str:
        """The first line of the docstring, or ""."""
        return self.docstring.partition("\n")[0]

    def docstrings(self) -> Iterator[str]:
        """Yield the docstrings of the module, its classes and its functions."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield ast.get_docstring(node) or ""


def modules(*under: str) -> list[Module]:
    """Return the modules of keyfob, or of some of its packages and files, sorted by path."""
    tops = [SOURCE / place for place in under] or [SOURCE]
    paths = [path for top in tops for path in ([top] if top.suffix else top.rglob("*.py"))]
    return [Module(path) for path in sorted(paths) if path.is_file()]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    first = f"|{'|'.join(f' {head} ' if head else ' ' for head in heads)}|\n"
    return first + "".join(f"| {' | '.join(line)} |\n" for line in [["---"] * len(heads), *rows])


def cell(text: str) -> str:
    """Escape a text for a cell of a table."""
    return text.replace("|", "\\|")


def settle(page: Path, fresh: str, *, check: bool, remedy: str) -> int:
    """Write a generated page or, with `check`, only report whether it is current.

    Args:
        page: The file.
        fresh: The current text.
        check: Compare without writing.
        remedy: The command that updates the file.

    Returns:
        An exit code: 1 if the page is stale and `check` is set.
    """
    current = page.read_text(encoding="utf-8") if page.exists() else ""
    if current == fresh:
        return 0
    place = page.relative_to(ROOT).as_posix()
    if check:
        print(f"{place} is out of date: {remedy}", file=sys.stderr)
        return 1
    page.parent.mkdir(parents=True, exist_ok=True)
    _ = page.write_text(fresh, encoding="utf-8", newline="\n")
    print(f"{place} brought up to date", file=sys.stderr)
    return 0

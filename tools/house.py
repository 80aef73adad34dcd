"""Walk the house: its modules, what each says of itself, and the pages that are made from them."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "keyfob"
TESTS = ROOT / "tests"


@dataclass(frozen=True)
class Module:
    """One file of the package, read as text; nothing is imported."""

    path: Path

    @property
    def place(self) -> str:
        """Where it is, seen from the package: `client/io/http.py`."""
        return self.path.relative_to(SOURCE).as_posix()

    @property
    def name(self) -> str:
        """How Python calls it: `keyfob.client.io.http`."""
        parts = ("keyfob", *self.path.relative_to(SOURCE).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def text(self) -> str:
        """The source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The source, parsed."""
        return ast.parse(self.text, filename=str(self.path))

    @property
    def length(self) -> int:
        """How many lines it has."""
        return len(self.text.splitlines())

    @property
    def docstring(self) -> str:
        """All that it says of itself, or nothing."""
        return ast.get_docstring(self.tree) or ""

    @property
    def first_line(self) -> str:
        """The one line that it says of itself, or nothing."""
        return self.docstring.partition("\n")[0]

    def docstrings(self) -> Iterator[str]:
        """Yield its docstring, and those of its classes and functions."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield ast.get_docstring(node) or ""


def modules(*under: str) -> list[Module]:
    """Return the modules of the package, or of some of its rooms, in the order of their places."""
    tops = [SOURCE / place for place in under] or [SOURCE]
    paths = [path for top in tops for path in ([top] if top.suffix else top.rglob("*.py"))]
    return [Module(path) for path in sorted(paths) if path.is_file()]


def settle(page: Path, fresh: str, *, check: bool, remedy: str) -> int:
    """Write a page that is made from the code or, with `check`, only say whether it is current.

    Args:
        page: The file.
        fresh: What it has to hold.
        check: Look, and touch nothing.
        remedy: The command that makes it current.

    Returns:
        An exit code: 1 if the page is stale and was only looked at.
    """
    held = page.read_text(encoding="utf-8") if page.exists() else ""
    if held == fresh:
        return 0
    place = page.relative_to(ROOT).as_posix()
    if check:
        print(f"{place} is not what the code says any more: {remedy}", file=sys.stderr)
        return 1
    page.parent.mkdir(parents=True, exist_ok=True)
    _ = page.write_text(fresh, encoding="utf-8", newline="\n")
    print(f"{place} brought up to date", file=sys.stderr)
    return 0

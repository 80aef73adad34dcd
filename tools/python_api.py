"""Generate a page about each public module from its signatures and docstrings.

    python -m tools.python_api            bring docs/reference/keyfob.*.md up to date
    python -m tools.python_api --check    only report whether they are up to date

This tool reads the source without importing it, like tools/api.py.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tools.api import IMPORTABLE, Function, hidden, origin, own_names, public_names
from tools.source import ROOT, Module, modules, settle

FOLDER = ROOT / "docs" / "reference"
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):\n((?:[ ]{4}.*\n?|\n)+)", re.MULTILINE)
ITEM = re.compile(r"^([*\w.,/ ]+): +")
TREE = re.compile(r"^(?=.*\n├).*\n(?:[├│└].*\n)+", re.MULTILINE)
NAMED = re.compile(r"`?docs/([a-z]+\.md)(#[a-z-]+)?`?")
WIDEST = 100
Source = dict[str, Module]


def prose(docstring: str | None) -> str:
    """Return a docstring as Markdown: sections become lists, and names of pages become links."""

    def section(found: re.Match[str]) -> str:
        lines = [line[4:] for line in found[2].splitlines()]
        if found[1] in {"Returns", "Yields"}:
            return f"{found[1]}: {' '.join(' '.join(lines).split())}\n\n"
        items = re.split(r"\n(?=\S)", "\n".join(lines).strip())
        shown = "\n".join("- " + ITEM.sub(r"`\1`: ", " ".join(item.split())) for item in items)
        return f"{found[1]}:\n\n{shown}\n\n"

    text = TREE.sub(lambda found: f"```text\n{found[0]}```\n", SECTION.sub(section, f"{docstring or ''}\n"))
    return NAMED.sub(r"[\1](../\1\2)", text).strip()


def signature(name: str, function: Function, *, is_method: bool) -> str:
    """Return a signature, with a line for each parameter if it is long."""
    own = function.args
    split = len(own.posonlyargs)
    positional = [*own.posonlyargs, *own.args]
    defaults = [None] * (len(positional) - len(own.defaults)) + list(own.defaults)
    shown = [parameter(arg, default) for arg, default in zip(positional, defaults, strict=True)]
    if split:
        shown.insert(split, "/")
    if own.vararg:
        shown.append(f"*{parameter(own.vararg)}")
    elif own.kwonlyargs:
        shown.append("*")
    shown += [parameter(arg, default) for arg, default in zip(own.kwonlyargs, own.kw_defaults, strict=True)]
    shown += [f"**{parameter(own.kwarg)}"] if own.kwarg else []
    decorators = {ast.unparse(one) for one in function.decorator_list}
    if is_method and "staticmethod" not in decorators:
        shown = shown[1:]  # self or cls
    returns = f" -> {ast.unparse(function.returns)}" if function.returns and function.name != "__init__" else ""
    if "property" in decorators:
        return f"{name}{returns.replace(' -> ', ': ')}"
    prefix = "await " if isinstance(function, ast.AsyncFunctionDef) else ""
    line = f"{prefix}{name}({', '.join(shown)}){returns}"
    if len(line) <= WIDEST:
        return line
    lines = "".join(f"    {one},\n" for one in shown)
    return f"{prefix}{name}(\n{lines}){returns}"


def parameter(arg: ast.arg, default: ast.expr | None = None) -> str:
    kind = f": {ast.unparse(arg.annotation)}" if arg.annotation else ""
    value = "" if default is None else f"{' = ' if kind else '='}{ast.unparse(default)}"
    return f"{arg.arg}{kind}{value}"


def code(text: str) -> str:
    return f"```python\n{text}\n```"


def described(
    name: str, module: Module, statement: ast.stmt, source: Source, public: set[str], depth: int
) -> Iterator[str]:
    """Yield the blocks about a public name. `depth` is the level of the heading."""
    match statement:
        case ast.ClassDef():
            yield from class_blocks(name, statement, list(lineage(module, statement, source, public)), depth)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield code(signature(name, statement, is_method=False))
            yield prose(ast.get_docstring(statement))
        case _:
            yield code(textwrap.fill(ast.unparse(statement), WIDEST, subsequent_indent="    ", break_on_hyphens=False))


def class_blocks(name: str, kind: ast.ClassDef, chain: list[ast.ClassDef], depth: int) -> Iterator[str]:
    """Yield the blocks about a class: constructor, fields and methods, including those of private base classes."""
    bases = [ast.unparse(base) for base in kind.bases]
    fields = [ast.unparse(one) for part in chain for one in part.body if is_public_field(one)]
    made = next((one for part in chain for one in part.body if is_function(one, "__init__")), None)
    head = f"class {name}{'(' + ', '.join(bases) + ')' if bases else ''}"
    first = signature(f"class {name}", made, is_method=True) if isinstance(made, ast.FunctionDef) else head
    yield code("\n".join([first, *(f"    {field}" for field in fields)]))
    yield prose(ast.get_docstring(kind))
    if isinstance(made, ast.FunctionDef):
        yield prose(ast.get_docstring(made))
    for method in methods(chain):
        yield f"{'#' * (depth + 1)} {name}.{method.name}"
        yield code(signature(method.name, method, is_method=True))
        yield prose(ast.get_docstring(method))


def methods(chain: list[ast.ClassDef]) -> list[Function]:
    """Return the public methods of a class and its bases. The methods of the class come first, and override others."""
    found: dict[str, Function] = {}
    for part in chain:
        for one in part.body:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and not hidden(one.name):
                found.setdefault(one.name, one)
    return [one for name, one in found.items() if name != "__init__"]


def lineage(module: Module, kind: ast.ClassDef, source: Source, public: set[str]) -> Iterator[ast.ClassDef]:
    """Yield a class and its bases of keyfob that are not public themselves."""
    yield kind
    for base in kind.bases:
        name = ast.unparse(base)
        found = origin(module, name, source) if name not in public else None
        if found is not None and isinstance(found[1], ast.ClassDef):
            yield from lineage(found[0], found[1], source, public)


def is_public_field(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.AnnAssign | ast.Assign) and not all(map(hidden, own_names(statement)))


def is_function(statement: ast.stmt, name: str) -> bool:
    return isinstance(statement, ast.FunctionDef) and statement.name == name


def names_of(module: Module, source: Source, depth: int) -> Iterator[str]:
    """Yield the blocks about the names of a module."""
    names = public_names(module)
    for name in names:
        found = origin(module, name, source)
        yield f"{'#' * depth} {name}"
        if found is not None:
            yield from described(name, found[0], found[1], source, set(names), depth)


def page(name: str, source: Source) -> str:
    """Return the page of a module. The page of `keyfob.testing` contains its submodules."""
    blocks = [f"# {name}", prose(source[name].docstring), *names_of(source[name], source, 2)]
    if name == "keyfob.testing":
        for below in sorted(one for one in source if one.startswith(f"{name}.") and public_names(source[one])):
            blocks += [f"## {below}", prose(source[below].docstring), *names_of(source[below], source, 3)]
    return "\n\n".join(filter(None, blocks)) + "\n"


def pages() -> dict[Path, str]:
    """Return the text of each page."""
    source = {module.name: module for module in modules()}
    return {FOLDER / f"{name}.md": page(name, source) for name in IMPORTABLE}


def main(words: list[str]) -> int:
    return max(settle(path, text, check="--check" in words, remedy="make docs") for path, text in pages().items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

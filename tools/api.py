"""List the public names and their signatures, so that every change is visible in review.

    python -m tools.api            accept the present names: rewrite tests/repository/api.txt
    python -m tools.api --check    only report whether they have changed

Public are `keyfob.embed`, `keyfob.errors`, `keyfob.guard`, `keyfob.login`, `keyfob.login.aio`, `keyfob.serve` and
`keyfob.testing`, and of `keyfob.protocol` the modules `http`, `scope` and `secret`. In each, the names of `__all__` are
public or, without one, the names that the module defines or imports as `X as X`. The source is read and not imported,
so that the list is the same under every version of Python.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.source import ROOT, Module, modules, settle

PAGE = ROOT / "tests" / "repository" / "api.txt"
# What users may import, as CONTRIBUTING.md says. The submodules of `keyfob.testing` are public, too.
IMPORTABLE = (
    "keyfob.embed",
    "keyfob.errors",
    "keyfob.guard",
    "keyfob.login",
    "keyfob.login.aio",
    "keyfob.protocol.http",
    "keyfob.protocol.scope",
    "keyfob.protocol.secret",
    "keyfob.serve",
    "keyfob.testing",
)
# The files that are listed; `login/session.py` defines the Session that `keyfob.login` exports.
LISTED = (
    "embed/__init__.py",
    "embed/cli_app.py",
    "errors.py",
    "guard.py",
    "login/__init__.py",
    "login/aio.py",
    "login/session.py",
    "login/several_logins.py",
    "protocol/http.py",
    "protocol/scope.py",
    "protocol/secret.py",
    "serve.py",
    "testing",
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def own_names(statement: ast.stmt) -> list[str]:
    """Return the names that a statement at the top of a module defines."""
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def listed(tree: ast.Module) -> list[str] | None:
    """Return the names in a module's `__all__`, or None."""
    for statement in tree.body:
        if "__all__" in own_names(statement) and isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
            return [str(name) for name in ast.literal_eval(statement.value)]
    return None


def imported(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Return the origin of each name that a module imports: the other module, and the name in that module."""
    return {alias.asname or alias.name: (module, alias.name) for module, alias in imports(tree)}


def reexported(tree: ast.Module) -> list[str]:
    """Return the names that are imported as `X as X`, which tells type checkers that they are public."""
    return [alias.name for _, alias in imports(tree) if alias.asname == alias.name]


def imports(tree: ast.Module) -> Iterator[tuple[str, ast.alias]]:
    """Yield each name that a module imports from another."""
    # A public module that loads a name on first use has its import below `if TYPE_CHECKING`.
    late = [inner for statement in tree.body if isinstance(statement, ast.If) for inner in statement.body]
    for statement in [*tree.body, *late]:
        if isinstance(statement, ast.ImportFrom):
            yield from ((statement.module or "", alias) for alias in statement.names)


def origin(module: Module, name: str, source: dict[str, Module]) -> tuple[Module, ast.stmt] | None:
    """Return the statement that defines a name, and its module, through any number of imports."""
    for statement in module.tree.body:
        if name in own_names(statement):
            return module, statement
    home, there = imported(module.tree).get(name, ("", ""))
    return origin(source[home], there, source) if home in source else None


def signature(function: Function) -> str:
    """Return the signature of a function in one line."""
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    prefix = "async " if isinstance(function, ast.AsyncFunctionDef) else ""
    decorators = "".join(f"@{ast.unparse(decorator)} " for decorator in function.decorator_list)
    return f"{decorators}{prefix}def {function.name}({ast.unparse(function.args)}){returns}"


def members(kind: ast.ClassDef) -> Iterator[str]:
    """Yield the public fields and methods of a class."""
    for statement in kind.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if not hidden(name):
                yield signature(statement)
            case ast.AnnAssign(target=ast.Name(id=name)) if not hidden(name):
                yield ast.unparse(statement)
            case ast.Assign() if not all(hidden(name) for name in own_names(statement)):
                yield ast.unparse(statement)
            case _:
                pass


def hidden(name: str) -> bool:
    """Return whether a name is private. A few methods such as `__init__` are public."""
    return name.startswith("_") and name not in {"__init__", "__call__", "__enter__", "__aenter__", "__iter__"}


def describe(name: str, statement: ast.stmt | None) -> Iterator[str]:
    """Yield the lines for one public name."""
    match statement:
        case ast.ClassDef():
            decorators = "".join(f"@{ast.unparse(decorator)} " for decorator in statement.decorator_list)
            bases = ", ".join(ast.unparse(base) for base in [*statement.bases, *statement.keywords])
            yield f"  {decorators}class {name}({bases})"
            yield from (f"    {member}" for member in members(statement))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield f"  {signature(statement)}"
        case ast.Assign() | ast.AnnAssign() if name.isupper() or isinstance(statement, ast.AnnAssign):
            yield f"  {ast.unparse(statement)}"
        case ast.Assign():
            yield f"  {name} = {ast.unparse(statement.value)}"
        case _:
            yield f"  {name}"


def public_names(module: Module) -> list[str]:
    """Return the public names of a module."""
    chosen = listed(module.tree)
    own = [name for statement in module.tree.body for name in own_names(statement) if not name.startswith("_")]
    return sorted({*own, *reexported(module.tree)} if chosen is None else set(chosen))


def surface(module: Module, source: dict[str, Module]) -> Iterator[str]:
    """Yield the lines for one public module."""
    if names := public_names(module):
        yield module.name
        for name in names:
            found = origin(module, name, source)
            yield from describe(name, found and found[1])
        yield ""


def page() -> str:
    """Return the text of tests/repository/api.txt."""
    source = {module.name: module for module in modules()}
    lines = [line for module in modules(*LISTED) for line in surface(module, source)]
    return "\n".join(
        ["# What users may rely on. `make api` writes this; read the difference before you accept it.", "", *lines]
    )


def main(words: list[str]) -> int:
    return settle(Path(PAGE), page(), check="--check" in words, remedy="make api, if the change is meant")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the verbs share: the tenant's folder, the file and its mistakes, a change before it is made."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.cli import output
from keyfob.errors import Misuse
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.serve import Registry
    from keyfob.server.settings.changes import Plan
    from keyfob.server.settings.field_types import Reference
    from keyfob.server.settings.tenant_file import Mistake, TenantFile


def add_data_flag(parser: ArgumentParser) -> None:
    """`--data`."""
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the tenant's folder (KEYFOB_DATA, or the platform's)"
    )


def add_yes_flag(parser: ArgumentParser) -> None:
    """`--yes`."""
    parser.add_argument("--yes", action="store_true", help="remove without asking")


def folder_of(flags: Namespace) -> Path:
    """The tenant's folder."""
    from keyfob.serve import default_folder

    chosen: Path | None = flags.data
    return chosen or default_folder()


def registry_of(flags: Namespace, *, creates: bool = False) -> Registry:
    """What is registered there.

    Raises:
        Misuse: There is no tenant.
    """
    from keyfob.serve import Registry

    return Registry.open(folder_of(flags), creates=creates)


def load(path: Path, issuer: str | None = None, *, looks_at_secrets: bool = True, as_json: bool = False) -> TenantFile:
    """A tenant.toml; its mistakes are said here, all of them.

    Args:
        path: The file.
        issuer: Where the tenant is served, if that is known.
        looks_at_secrets: Whether what it points to has to be there.
        as_json: Say mistakes as objects.

    Raises:
        Misuse: It cannot be read, or has mistakes.
    """
    from keyfob.server.settings.tenant_file import SERVED, any_secret, find_secret, read_tenant_file

    def read_beside(name: str) -> str:
        return (path.parent / name).read_text(encoding="utf-8")

    def find(reference: Reference) -> Secret:
        return find_secret(reference, os.environ, read_beside)

    found = read_tenant_file(read_text(path), issuer=issuer or SERVED, resolve=find if looks_at_secrets else any_secret)
    if not isinstance(found, tuple):
        return found
    _say_mistakes(path, found, as_json=as_json)
    if len(found) == 1 and not as_json:
        [one] = found
        raise Misuse(f"{path}:{one.line}: {one.message}", hint=one.hint, code="setting-wrong")
    words = "is a mistake" if len(found) == 1 else f"are {len(found)} mistakes"
    raise Misuse(f"there {words} in {path}", hint="Mend it, then run: keyfob tenant check", code="setting-wrong")


def _say_mistakes(path: Path, found: tuple[Mistake, ...], *, as_json: bool) -> None:
    for one in found:
        if as_json:
            output.result_object({"file": str(path), "line": one.line, "message": one.message, "hint": one.hint})
        elif len(found) > 1:
            output.remark(f"{path}:{one.line}: {one.message}")
            if one.hint:
                output.detail(one.hint)


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        Misuse: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        hint = (
            "`keyfob tenant init` writes one to begin with."
            if isinstance(problem, FileNotFoundError)
            else "Name a file."
        )
        raise Misuse(f"{path} cannot be read: {problem.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        raise Misuse(f"{path} is not UTF-8 text", hint="Save it as UTF-8.") from None


def write_text(path: Path, text: str, *, is_private: bool = False) -> None:
    """A new file; what is there already is never overwritten.

    Args:
        path: The file.
        text: What it shall hold.
        is_private: Whether nobody else on this machine may read it.

    Raises:
        Misuse: There is one, or it cannot be written.
    """
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_private else 0o666)
        with os.fdopen(made, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Misuse(f"{path} is there already", hint="Name another file; none is overwritten.") from None
    except OSError as problem:
        raise Misuse(f"{path} cannot be written: {problem.strerror}") from None


def lines_of(plan: Plan) -> list[str]:
    """A change, line by line: added, changed, removed."""
    lines: list[str] = []
    for change in plan.changes:
        name = "" if change.kind == "tenant" else f" {change.name}"
        lines += [f"{change.sign} {change.kind}{name}", *(f"    {line}" for line in change.lines)]
    return lines


def show(plan: Plan) -> None:
    """The same, as a result."""
    for line in lines_of(plan):
        output.result(line)


def carry_out(registry: Registry, plan: Plan, *, yes: bool) -> None:
    """Make a change; asks before anything is removed.

    Raises:
        Misuse: Nobody is there to be asked, the answer was no, or somebody else changed the same.
    """
    if plan.removes:
        ask("Remove what has a minus?", yes=yes)
    registry.carry_out(plan)


def ask(question: str, *, yes: bool) -> None:
    """Go on only after a yes.

    Raises:
        Misuse: Nobody is there to be asked, or the answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misuse("nothing is removed without a yes", hint="Look again, then say --yes.")
    if not output.agreed(question):
        raise Misuse("nothing was changed", hint="The answer was no.")

"""Functions for the verbs of `keyfob tenant`: open a tenant's folder, read and write files, show and apply changes."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.cli import output
from keyfob.cli.flags import add_master_key_flag
from keyfob.errors import Misuse
from keyfob.protocol.secret import Secret
from keyfob.server.settings.tenant_file import SERVED, Mistake, TenantFile, any_secret, find_secret, read_tenant_file

if TYPE_CHECKING:
    from keyfob.serve import Registry
    from keyfob.server.settings.changes import Plan
    from keyfob.server.settings.field_types import Reference


def add_data_flag(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="the tenant's data folder (default: KEYFOB_DATA, or the platform's data folder)",
    )
    add_master_key_flag(parser)
    add_database_flag(parser)


def add_database_flag(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        metavar="URL",
        help=(
            "a PostgreSQL database, without the password: postgresql://USER@HOST/NAME (default: "
            "KEYFOB_DATABASE, or a file in the data folder)"
        ),
    )


def add_yes_flag(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="remove without asking")


def folder_of(flags: Namespace) -> Path:
    from keyfob.serve import default_folder  # noqa: PLC0415  needs the extra serve; --help and completion do not

    chosen: Path | None = flags.data
    return chosen or default_folder()


def database_of(flags: Namespace) -> str:
    """Return the URL of the database; "" for a file in the folder.

    Raises:
        Misuse: The URL in the flag contains a password. Every user of the machine can read command-line arguments.
    """
    from keyfob.server.io.database_url import has_password  # noqa: PLC0415  as above

    chosen: str | None = flags.database
    if chosen and has_password(chosen):
        hint = (
            "Change the password, since other users may have read it. Set the new one in "
            "PGPASSWORD, ~/.pgpass or KEYFOB_DATABASE."
        )
        words = "the password in --database can be read by every user of this computer"
        raise Misuse(words, hint=hint, code="setting-unsafe")
    return os.environ.get("KEYFOB_DATABASE", "") if chosen is None else chosen


def registry_of(flags: Namespace, *, creates: bool = False) -> Registry:
    """Open the registry of the tenant in the folder that the flags name.

    Raises:
        Misuse: The folder has no tenant, and `creates` is False.
    """
    from keyfob.serve import Registry  # noqa: PLC0415  as above

    return Registry.open(folder_of(flags), creates=creates, database=database_of(flags), master_key=flags.master_key)


def load(path: Path, issuer: str | None = None, *, looks_at_secrets: bool = True, as_json: bool = False) -> TenantFile:
    """Read a tenant.toml and print all its mistakes.

    Args:
        path: The file.
        issuer: The URL at which the tenant is served; None if unknown.
        looks_at_secrets: Whether to check that the secrets to which the file refers exist.
        as_json: Whether to print each mistake as a JSON object.

    Raises:
        Misuse: The file cannot be read, or has mistakes.
    """

    def read_beside(name: str) -> str:
        return (path.parent / name).read_text(encoding="utf-8")

    def find(reference: Reference) -> Secret:
        return find_secret(reference, os.environ, read_beside)

    found = read_tenant_file(
        read_text(path),
        issuer=issuer or SERVED,
        resolve=find if looks_at_secrets else any_secret,
        read_bytes=lambda name: (path.parent / name).read_bytes(),
    )
    if not isinstance(found, tuple):
        return found
    _print_mistakes(path, found, as_json=as_json)
    if len(found) == 1 and not as_json:
        [one] = found
        raise Misuse(f"{path}:{one.line}: {one.message}", hint=one.hint, code="setting-wrong")
    words = "is a mistake" if len(found) == 1 else f"are {len(found)} mistakes"
    raise Misuse(f"there {words} in {path}", hint="Fix the file, then run: keyfob tenant check", code="setting-wrong")


def _print_mistakes(path: Path, found: tuple[Mistake, ...], *, as_json: bool) -> None:
    for one in found:
        if as_json:
            output.result_object({"file": str(path), "line": one.line, "message": one.message, "hint": one.hint})
        elif len(found) > 1:
            output.remark(f"{path}:{one.line}: {one.message}")
            if one.hint:
                output.detail(one.hint)


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        hint = (
            "`keyfob tenant init` writes one to start with."
            if isinstance(problem, FileNotFoundError)
            else "Name a file."
        )
        raise Misuse(f"{path} cannot be read: {problem.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        raise Misuse(f"{path} is not UTF-8 text", hint="Save it as UTF-8.") from None


def write_text(path: Path, text: str, *, is_private: bool = False) -> None:
    """Write a new file. With `is_private`, only its owner can read the file.

    Raises:
        Misuse: The file exists already, or cannot be written.
    """
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_private else 0o666)
        with os.fdopen(made, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Misuse(f"{path} already exists", hint="Choose another name; keyfob overwrites no file.") from None
    except OSError as problem:
        raise Misuse(f"{path} cannot be written: {problem.strerror}") from None


def lines_of(plan: Plan) -> list[str]:
    lines: list[str] = []
    for change in plan.changes:
        name = "" if change.kind == "tenant" else f" {change.name}"
        lines += [f"{change.sign} {change.kind}{name}", *(f"    {line}" for line in change.lines)]
    return lines


def show(plan: Plan) -> None:
    for line in lines_of(plan):
        output.result(line)


def carry_out(registry: Registry, plan: Plan, *, yes: bool) -> None:
    """Apply a change. If the change removes anything, ask for confirmation first.

    Raises:
        Misuse: There is no terminal, the operator answered no, or another process made a conflicting change.
    """
    if plan.removes:
        ask("Remove the lines with a minus?", yes=yes)
    registry.carry_out(plan)


def ask(question: str, *, yes: bool) -> None:
    """Ask for confirmation. With `yes`, do not ask.

    Raises:
        Misuse: There is no terminal, or the operator answered no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misuse("nothing is removed without your consent", hint="Check the changes, then add --yes.")
    if not output.agreed(question):
        raise Misuse("nothing was changed", hint="You answered no.")

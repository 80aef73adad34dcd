"""Parse tenant.toml. The result is the settings, or a list of errors, each with its line and a hint."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from keyfob.errors import Misuse
from keyfob.protocol.secret import Secret
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.field_types import Reference, suggestion
from keyfob.server.settings.pictures import is_file_name, write_image
from keyfob.server.settings.schema import ARRAYS, Report, Table
from keyfob.server.settings.stored_settings import read_tables
from keyfob.server.settings.toml import Lines, Location
from keyfob.server.settings.users import PersonWanted, check_against, read_people

FILE_NAME: Final = "tenant.toml"
SERVED: Final = "http://127.0.0.1/"  # the issuer of a tenant that has none in its settings
TABLES: Final = ("tenant", *ARRAYS, "users")
PICTURES: Final = ("logo", "logo_dark", "favicon")
_PICTURE_HINT: Final = "Paths are relative to the folder of this file. An address starts with https:// or /."
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WHERE: Final = re.compile(r" \(at line (\d+), column \d+\)\Z")


@dataclass(frozen=True, slots=True)
class Mistake:
    """An error in tenant.toml. The message never contains a secret. Lines count from 1."""

    line: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TenantFile:
    """The content of a tenant.toml file.

    Attributes:
        config: The settings, with the client secrets in plain text.
        people: The users in the tables `[[users]]`.
        names_issuer: Whether the file has an issuer.
    """

    config: TenantConfig
    people: tuple[PersonWanted, ...]
    names_issuer: bool


def read_tenant_file(
    text: str, *, issuer: str, resolve: Callable[[Reference], Secret], read_bytes: Callable[[str], bytes] | None = None
) -> TenantFile | tuple[Mistake, ...]:
    """Return the content of a tenant.toml file, or its errors in the order of their lines.

    Args:
        text: The text of the file.
        issuer: The issuer to use if the file has no issuer.
        resolve: The function that returns the secret of a reference. It raises Misuse if there is no secret.
        read_bytes: The function that returns the content of a picture file or raises OSError. If None, a picture file
            is an error.
    """
    try:
        tables: Table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        return (_syntax(str(wrong), text),)
    except RecursionError:
        return (_syntax("something is nested too deeply (at line 1, column 1)", text),)
    lines = Lines(text)
    found: list[Mistake] = []

    def report(at: Location, message: str, hint: str) -> None:
        found.append(Mistake(lines.of(at), message, hint or "For the tables, see: keyfob help docs/tenant.md"))

    for name in tables:
        if name not in TABLES:
            what = (
                f'the table "{name}" does not exist' if len(name) <= 40 and name.isprintable() else "a table is unknown"
            )
            report((name,), what, suggestion(name, TABLES))
    if read_bytes is not None:
        _read_pictures(tables, read_bytes, report)
    config = read_tables(tables, issuer=issuer, resolve=resolve, report=report)
    people = read_people(tables, resolve, report)
    if config is not None and not found:
        check_against([(("users", number), person) for number, person in enumerate(people)], config, report)
    if config is None or found:
        return tuple(sorted(found, key=lambda one: one.line))
    tenant = tables.get("tenant", {})
    return TenantFile(config, people, isinstance(tenant, dict) and "issuer" in tenant)


def _read_pictures(tables: Table, read_bytes: Callable[[str], bytes], report: Report) -> None:
    """Replace the names of picture files by the content of the files. Report a file that cannot be used."""
    applications = tables.get("applications")
    places: list[tuple[Location, object, tuple[str, ...]]] = [(("tenant",), tables.get("tenant"), PICTURES)]
    if isinstance(applications, list):
        many = enumerate(cast("list[object]", applications))
        places += [(("applications", number), one, ("icon",)) for number, one in many]
    for at, place, names in places:
        table = cast("Table", place) if isinstance(place, dict) else {}
        for name in names:
            value = table.get(name)
            if not isinstance(value, str) or not is_file_name(value):
                continue
            del table[name]  # so that no later check reports the error again
            try:
                table[name] = write_image(read_bytes(value))
            except (OSError, ValueError) as problem:
                words = (problem.strerror if isinstance(problem, OSError) else "") or "its path is invalid"
                report((*at, name), f"{name} is a file that cannot be read: {words}", _PICTURE_HINT)
            except Misuse as wrong:
                report((*at, name), f"{name} {wrong.message}", wrong.hint)


def _syntax(message: str, text: str) -> Mistake:
    """Return the error of tomllib without the quoted parts of the file, which could be secrets."""
    where = _WHERE.search(message)
    line = int(where[1]) if where else max(1, len(text.splitlines()))
    what = re.sub(r"""(['"]).*\1""", "...", _WHERE.sub("", message).removesuffix(" (at end of document)"))
    return Mistake(line, f"this is not TOML: {what}", "Check this line and the one above it: https://toml.io")


def find_secret(reference: Reference, environment: Mapping[str, str], read_file: Callable[[str], str]) -> Secret:
    """Return the secret that a reference points to.

    Messages do not repeat the name of the variable or the file, since the name could be a misplaced secret.

    Args:
        reference: A reference to an environment variable (`env`) or a file (`file`).
        environment: The environment variables.
        read_file: The function that returns the text of a file, or raises OSError or ValueError.

    Raises:
        Misuse: The secret cannot be found. The caller puts the key's name before the message.
    """
    if reference.where == "env":
        if not _VARIABLE.match(reference.name):
            raise Misuse("is not the name of an environment variable", hint='Write { env = "NAME" }.')
        value = environment.get(reference.name, "")
        if not value:
            raise Misuse("refers to a variable that is not set", hint="Set it in the environment of this command.")
        return Secret(value)
    try:
        value = read_file(reference.name).rstrip("\r\n")
    except (OSError, ValueError) as problem:
        words = (problem.strerror if isinstance(problem, OSError) else "") or "it is not text"
        raise Misuse(
            f"refers to a file that cannot be read: {words}", hint="Paths are relative to the folder of this file."
        ) from None
    if not value:
        raise Misuse("refers to an empty file", hint="Put the secret there, and nothing else.")
    return Secret(value)


def any_secret(reference: Reference) -> Secret:
    """Return a placeholder that passes every check of secrets, to check settings without the secret."""
    del reference
    return Secret("this reference was not resolved to a secret")

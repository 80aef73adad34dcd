"""Reading tenant.toml: what it says, or each of its mistakes with its line and what to do about it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from keyfob.errors import Misuse
from keyfob.protocol.secret import Secret
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.field_types import Reference, suggestion
from keyfob.server.settings.registered import SHORTEST_SECRET
from keyfob.server.settings.schema import ARRAYS, Table, Where
from keyfob.server.settings.stored_settings import read_tables
from keyfob.server.settings.toml import Lines
from keyfob.server.settings.users import PersonWanted, check_against, read_people

FILE_NAME: Final = "tenant.toml"
SERVED: Final = "http://127.0.0.1/"  # stands in for the address of a tenant that has none of its own
TABLES: Final = ("tenant", *ARRAYS, "users")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WHERE: Final = re.compile(r" \(at line (\d+), column \d+\)\Z")


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that cannot be used. Never holds a secret.

    Attributes:
        line: Counts from 1.
    """

    line: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TenantFile:
    """What a file says.

    Attributes:
        config: With the client secrets that it points to.
        people: Those of `[[users]]`.
        names_issuer: Whether it says where the tenant is; else it is where it is served.
    """

    config: TenantConfig
    people: tuple[PersonWanted, ...]
    names_issuer: bool


def read_tenant_file(
    text: str, *, issuer: str, resolve: Callable[[Reference], Secret]
) -> TenantFile | tuple[Mistake, ...]:
    """What it says, or its mistakes in the order of their lines.

    Args:
        text: The file's.
        issuer: The tenant's address, should the file not name one.
        resolve: Finds a secret: `find_secret` with its world.
    """
    try:
        tables: Table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        return (_syntax(str(wrong), text),)
    except RecursionError:
        return (_syntax("something is nested too deeply (at line 1, column 1)", text),)
    lines = Lines(text)
    found: list[Mistake] = []

    def tell(at: Where, message: str, hint: str) -> None:
        found.append(Mistake(lines.of(at), message, hint or "docs/tenant.md says what it may be."))

    for name in tables:
        if name not in TABLES:
            what = f'there is no table "{name}"' if len(name) <= 40 and name.isprintable() else "a table is not known"
            tell((name,), what, suggestion(name, TABLES))
    config = read_tables(tables, issuer=issuer, resolve=resolve, tell=tell)
    people = read_people(tables, resolve, tell)
    if config is not None and not found:
        check_against([(("users", number), person) for number, person in enumerate(people)], config, tell)
    if config is None or found:
        return tuple(sorted(found, key=lambda one: one.line))
    tenant = tables.get("tenant", {})
    return TenantFile(config, people, isinstance(tenant, dict) and "issuer" in tenant)


def _syntax(message: str, text: str) -> Mistake:
    """What tomllib says, without what it quotes."""
    where = _WHERE.search(message)
    line = int(where[1]) if where else max(1, len(text.splitlines()))
    what = re.sub(r"""(['"]).*\1""", "...", _WHERE.sub("", message).removesuffix(" (at end of document)"))
    return Mistake(line, f"this is not TOML: {what}", "Look at this line and the one above it: https://toml.io")


def find_secret(reference: Reference, environment: Mapping[str, str], read_file: Callable[[str], str]) -> Secret:
    """The secret that a reference points to. Its name is not repeated: it could be the secret itself, gone astray.

    Args:
        reference: `env` or `file`.
        environment: The process's.
        read_file: Gives a file's text; raises OSError or ValueError.

    Raises:
        Misuse: It is not there; the message goes on after the key's name.
    """
    if reference.where == "env":
        if not _VARIABLE.match(reference.name):
            raise Misuse("names no variable of the environment", hint='Write its name: { env = "NAME" }.')
        value = environment.get(reference.name, "")
        if not value:
            raise Misuse("points to a variable that is not set", hint="Set it where keyfob runs; it is read once.")
        return Secret(value)
    try:
        value = read_file(reference.name).rstrip("\r\n")
    except (OSError, ValueError) as problem:
        words = (problem.strerror if isinstance(problem, OSError) else "") or "it is not text"
        raise Misuse(
            f"points to a file that cannot be read: {words}", hint="Paths count from the folder of this file."
        ) from None
    if not value:
        raise Misuse("points to an empty file", hint="Put the secret there, and nothing else.")
    return Secret(value)


def any_secret(reference: Reference) -> Secret:
    """Stands in for every secret, where only the settings are looked at."""
    del reference
    return Secret("-" * max(SHORTEST_SECRET, 32))

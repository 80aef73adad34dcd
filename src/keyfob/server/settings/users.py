"""The users of tenant.toml, and their conversion to records of the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from keyfob.errors import Misuse
from keyfob.protocol.secret import Secret
from keyfob.server.records import DEFAULT_CONNECTION, User
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.field_types import Reference, read_reference, suggestion
from keyfob.server.settings.password_rules import check_new_password
from keyfob.server.settings.schema import Report, Table, TableSchema, tables_of
from keyfob.server.settings.toml import Location

PASSWORD: Final = "password"
PASSWORD_PLACES: Final = ("env", "file", "hash")
_HASH: Final = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+\Z")
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+\Z")
_USER_ID: Final = re.compile(r"[a-z0-9-]+\|[!-~]+\Z")
LONGEST_EMAIL: Final = 320


@dataclass(frozen=True, slots=True)
class PersonWanted:
    """The wanted state of a user, as in tenant.toml.

    Attributes:
        user_id: The id, such as `auth0|...`. If None, a new user gets an id from the tenant, and a known user keeps the
            present id.
        password: The password in plain text. If `password` and `password_hash` are both None, the user keeps the
            present password.
    """

    email: str
    name: str = ""
    connection: str = DEFAULT_CONNECTION
    user_id: str | None = None
    roles: tuple[str, ...] = ()
    permissions: tuple[tuple[str, str], ...] = ()
    email_verified: bool = True
    is_blocked: bool = False
    picture: str | None = None
    password: Secret | None = None
    password_hash: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The identity of the user: the e-mail address within the connection."""
        return self.email.lower(), self.connection


USER: Final = TableSchema(PersonWanted, "user", extra=(PASSWORD,), skipped=("password", "password_hash"))


def read_people(tables: Table, resolve: Callable[[Reference], Secret], report: Report) -> tuple[PersonWanted, ...]:
    """Return the users of a file. A user with an error is left out, and the error is reported."""
    found: list[PersonWanted] = []
    seen: set[tuple[str, str]] = set()
    for at, table in tables_of(tables.get("users", []), ("users",), report):
        settings = USER.read(table, at, report)
        try:
            secret = _read_password(table[PASSWORD], resolve) if PASSWORD in table else {}
        except Misuse as wrong:
            report((*at, PASSWORD), f"user: password {wrong.message}", wrong.hint)
            continue
        if settings is None:
            continue
        person = PersonWanted(**settings, **secret)
        try:
            check_person(person)
        except Misuse as wrong:
            report(at, f"user: {wrong.message}", wrong.hint)
            continue
        if person.key in seen:
            report(at, f"user: {person.email} is defined twice", "Remove one of them.")
            continue
        seen.add(person.key)
        found.append(person)
    return tuple(found)


def _read_password(value: object, resolve: Callable[[Reference], Secret]) -> dict[str, Any]:
    """Return the field `password` or `password_hash`.

    Raises:
        Misuse: The value is malformed, or the password cannot be found.
    """
    reference = read_reference(value, PASSWORD_PLACES)
    if reference.where != "hash":
        return {"password": resolve(reference)}
    if not _HASH.match(reference.name):
        raise Misuse("is not a hash of Argon2id", hint="Copy the hash from the output of `keyfob tenant export`.")
    return {"password_hash": reference.name}


def check_person(person: PersonWanted) -> None:
    """Check the fields of a user.

    Raises:
        Misuse: A field is not valid.
    """
    if not _EMAIL.match(person.email) or len(person.email) > LONGEST_EMAIL or not person.email.isprintable():
        raise Misuse("email is not an e-mail address", hint='For example "person@example.com".')
    if not person.name.isprintable() or len(person.name) > LONGEST_EMAIL:
        raise Misuse(
            "name is too long, or contains a control character",
            hint=f"Type it again, with up to {LONGEST_EMAIL} characters.",
        )
    own = person.user_id
    # The subject of a client is `{client_id}@clients`, so a user's id must not end like this.
    if own is not None and (not _USER_ID.match(own) or own.endswith("@clients") or len(own) > 255):
        raise Misuse("user_id is not of the form auth0|...", hint="Omit it, and keyfob generates one.")


def check_against(people: Sequence[tuple[Location, PersonWanted]], config: TenantConfig, report: Report) -> None:
    """Report weak passwords, and references to connections, roles, APIs and scopes that do not exist."""
    connections = [found.name for found in config.connections]
    roles = [found.name for found in config.roles]
    for at, person in people:
        try:
            if person.password is not None:
                check_new_password(person.password, config, person.email, person.name)
        except Misuse as wrong:
            report((*at, PASSWORD), f"user {person.email}: {wrong.message}", wrong.hint)
        if person.connection not in connections:
            hint = suggestion(person.connection, connections)
            report((*at, "connection"), f"user {person.email}: there is no such connection", hint)
        for role in person.roles:
            if role not in roles:
                report((*at, "roles"), f'user {person.email}: there is no role "{role}"', suggestion(role, roles))
        for audience, scope in person.permissions:
            api = next((one for one in config.apis if one.audience == audience), None)
            if api is None or scope not in api.scopes:
                known = [one.audience for one in config.apis] if api is None else list(api.scopes)
                what, word = ("API", audience) if api is None else ("scope", scope)
                words = f'user {person.email}: there is no {what} "{word}"'
                report((*at, "permissions"), words, suggestion(word, known))


def write_person(user: User) -> Table:
    """Return a user as a table of tenant.toml, with the hash of the password."""
    wanted = PersonWanted(
        email=user.email,
        name=user.name,
        connection=user.connection,
        user_id=user.user_id,
        roles=user.roles,
        permissions=user.permissions,
        email_verified=user.email_verified,
        is_blocked=user.is_blocked,
        picture=user.picture,
    )
    return {**USER.write(wanted), PASSWORD: {"hash": user.password_hash}}


def as_user(wanted: PersonWanted, known: User | None, password_hash: str, user_id: str, now: datetime) -> User:
    """Return the wanted record of a user.

    Args:
        wanted: The wanted state.
        known: The present record; None for a new user.
        password_hash: The hash of the wanted password.
        user_id: The id of a new user for whom `wanted` names no id.
        now: The current time, which becomes `updated_at` if the record changes.

    Raises:
        Misuse: The user exists with another user_id.
    """
    if known is not None and wanted.user_id not in {None, known.user_id}:
        raise Misuse(f"user {wanted.email} has another user_id in the tenant", hint="Omit user_id; it never changes.")
    fresh = User(
        user_id=known.user_id if known else wanted.user_id or user_id,
        email=wanted.email,
        name=wanted.name or wanted.email,
        password_hash=password_hash,
        updated_at=known.updated_at if known else now,
        is_blocked=wanted.is_blocked,
        connection=wanted.connection,
        email_verified=wanted.email_verified,
        picture=wanted.picture,
        roles=wanted.roles,
        permissions=tuple(sorted(set(wanted.permissions))),
    )
    return fresh if fresh == known else replace(fresh, updated_at=now)


def found_among(users: Iterable[User], wanted: PersonWanted) -> User | None:
    """Return the user with the wanted user's e-mail address and connection, or None."""
    return next((user for user in users if (user.email.lower(), user.connection) == wanted.key), None)

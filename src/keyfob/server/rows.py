"""Convert records to database rows and back. Columns are named after the records' fields; times become numbers."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from keyfob.protocol.scope import Scope
from keyfob.server.records import (
    Authenticator,
    AuthorizationCode,
    BrowserSession,
    Consent,
    DeviceLogin,
    Document,
    KeySlot,
    LoggedEvent,
    MfaLogin,
    PushedRequest,
    RefreshLogin,
    StoredKey,
    Tries,
    User,
)

R = TypeVar("R")
Row = Sequence[Any]  # the schema defines the types
_Convert = Callable[[Any], Any] | None
_HASH_BYTES: Final = 32
_RENAMED: Final = {"grant": "grant_name"}  # GRANT is reserved in SQL


class Table(Generic[R]):
    """The table of one type of record, with SQL that works in both SQLite and PostgreSQL.

    Attributes:
        columns: The names of the columns, each with the name of the table.
        select: The first part of a query for whole records.
        add: The statement that adds a record. It changes nothing if a record has the same key or the same unique value.
        replace: The statement that adds a record or replaces the record with the same key.
        put: A faster `replace`, which does not set the fixed columns. If the stored record and the new record differ in
            a fixed column, this statement changes nothing.
    """

    def __init__(self, record: type[R], name: str, *key: str, fixed: tuple[str, ...] = ()) -> None:
        """Build the SQL of a table from a type of record.

        Args:
            record: The dataclass of the records. Its fields become the columns.
            name: The table's name in the database.
            key: The columns of the primary key.
            fixed: The columns with an index besides that of the primary key. Their values hardly ever change. `put`
                does not set these columns, since SQLite rewrites the index of every column that is set, even if the
                value stays the same.
        """
        self.name = name
        hints = typing.get_type_hints(record)
        names = [field.name for field in fields(record)]  # type: ignore[arg-type]
        kinds = [_kind(hints[name]) for name in names]
        columns = [_column(name, kind) for name, kind in zip(names, kinds, strict=True)]
        listed, marks, keys = ", ".join(columns), ", ".join("?" for _ in columns), ", ".join(key)
        changed = [column for column in columns if column not in key]
        into = f"INSERT INTO {name} ({listed}) VALUES ({marks}) ON CONFLICT"  # noqa: S608  fixed words
        same = " AND ".join(f"{name}.{one} = excluded.{one}" for one in fixed)

        def update(*columns: str) -> str:
            return f"{into} ({keys}) DO UPDATE SET " + ", ".join(f"{one} = excluded.{one}" for one in columns)

        self.columns = [f"{name}.{column}" for column in columns]
        self.select = f"SELECT {listed} FROM {name}"  # noqa: S608
        self.add = f"{into} DO NOTHING"
        self.replace = update(*changed)
        self.put = f"{update(*(one for one in changed if one not in fixed))} WHERE {same}" if fixed else self.replace
        self._record = record
        self._values = attrgetter(*names)
        self._writers = [(at, *_WRITERS[kind]) for at, kind in enumerate(kinds) if kind in _WRITERS]

    def write(self, record: R) -> Row:
        row = list(self._values(record))
        for at, write, _ in self._writers:
            if row[at] is not None:
                row[at] = write(row[at])
        return row

    def read(self, row: Row) -> R:
        values = list(row)
        for at, _, read in self._writers:
            if values[at] is not None:
                values[at] = read(values[at])
        return self._record(*values)


def _kind(hint: Any) -> Any:  # noqa: ANN401  a type, or what typing makes of one
    """Return the type of a field, without `| None`."""
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    return hint


def _column(name: str, kind: object) -> str:
    if kind is datetime:
        return name.removesuffix("_at").removesuffix("_time") + "_s"
    if kind is timedelta:
        return f"{name}_s"
    return _RENAMED.get(name, name)


def _read_hashes(joined: bytes) -> tuple[bytes, ...]:
    if len(joined) == _HASH_BYTES:  # the usual case
        return (joined,)
    return tuple([joined[at : at + _HASH_BYTES] for at in range(0, len(joined), _HASH_BYTES)])


def _read_texts(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(json.loads(text))  # fast for the empty lists, such as the roles of most users


def _read_pairs(text: str) -> tuple[tuple[str, ...], ...]:
    return () if text == "[]" else tuple(tuple(pair) for pair in json.loads(text))


_WRITERS: Final[dict[object, tuple[Callable[[Any], Any], Callable[[Any], Any]]]] = {
    datetime: (datetime.timestamp, lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    timedelta: (timedelta.total_seconds, lambda seconds: timedelta(seconds=seconds)),
    Scope: (Scope.write, lambda text: Scope.of(text.split())),
    bool: (int, bool),
    tuple[bytes, ...]: (b"".join, _read_hashes),
    tuple[str, ...]: (json.dumps, _read_texts),
    tuple[tuple[str, str], ...]: (json.dumps, _read_pairs),
}

DEVICE: Final = Table(DeviceLogin, "device_login", "device_code_hash", fixed=("user_code_hash", "expires_s"))
REFRESH: Final = Table(
    RefreshLogin, "refresh_login", "login_id", fixed=("user_id", "client_id", "created_s", "expires_s")
)
CODE: Final = Table(AuthorizationCode, "authorization_code", "code_hash", fixed=("user_id", "expires_s"))
PUSHED: Final = Table(PushedRequest, "pushed_request", "uri_hash")
CONSENT: Final = Table(Consent, "consent", "user_id", "client_id", "audience")
AUTHENTICATOR: Final = Table(Authenticator, "authenticator", "authenticator_id")
MFA_LOGIN: Final = Table(MfaLogin, "mfa_login", "token_hash", fixed=("user_id", "expires_s"))
SESSION: Final = Table(BrowserSession, "browser_session", "session_hash", fixed=("user_id", "created_s"))
PERSON: Final = Table(User, "person", "user_id")
KEY: Final = Table(StoredKey, "signing_key", "key_id")
SLOT: Final = Table(KeySlot, "key_slot", "master_id")
EVENT: Final = Table(LoggedEvent, "audit_event", "number")
DOCUMENT: Final = Table(Document, "document", "kind", "name")
TRIES: Final = Table(Tries, "tries", "tries_key")

"""Records to rows and back: the names of columns come from the records, and numbers stand for times."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
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
    MfaLogin,
    PushedRequest,
    RefreshLogin,
    StoredKey,
    User,
)

R = TypeVar("R")
Row = Sequence[Any]  # whatever the column holds; the schema says what that is
_Convert = Callable[[Any], Any] | None
_HASH_BYTES: Final = 32
_RENAMED: Final = {"grant": "grant_name"}  # a word of SQL


class Table(Generic[R]):
    """One kind of record and its table.

    Attributes:
        columns: Separated by commas, in the order of the record's fields.
        marks: A question mark for each.
    """

    def __init__(self, record: type[R], name: str) -> None:
        """Learn the columns from the record."""
        self.name = name
        hints = typing.get_type_hints(record)
        names = [field.name for field in fields(record)]  # type: ignore[arg-type]
        kinds = [_kind(hints[name]) for name in names]
        self.columns = ", ".join(_column(name, kind) for name, kind in zip(names, kinds, strict=True))
        self.marks = ", ".join("?" for _ in names)
        self._record = record
        self._values = attrgetter(*names)
        self._writers = [(at, *_WRITERS[kind]) for at, kind in enumerate(kinds) if kind in _WRITERS]

    def write(self, record: R) -> Row:
        """As values for the columns."""
        row = list(self._values(record))
        for at, write, _ in self._writers:
            if row[at] is not None:
                row[at] = write(row[at])
        return row

    def read(self, row: Row) -> R:
        """From the values of the columns."""
        values = list(row)
        for at, _, read in self._writers:
            if values[at] is not None:
                values[at] = read(values[at])
        return self._record(*values)


def _kind(hint: Any) -> Any:  # noqa: ANN401  a type, or what typing makes of one
    """What a field holds, None apart."""
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    return hint


def _column(name: str, kind: object) -> str:
    if kind is datetime:
        return name.removesuffix("_at").removesuffix("_time") + "_s"
    return _RENAMED.get(name, name)


def _read_hashes(joined: bytes) -> tuple[bytes, ...]:
    return tuple(joined[at : at + _HASH_BYTES] for at in range(0, len(joined), _HASH_BYTES))


def _read_pairs(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(pair) for pair in json.loads(text))


_WRITERS: Final[dict[object, tuple[Callable[[Any], Any], Callable[[Any], Any]]]] = {
    datetime: (datetime.timestamp, lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    Scope: (Scope.write, lambda text: Scope.of(text.split())),
    bool: (int, bool),
    tuple[bytes, ...]: (b"".join, _read_hashes),
    tuple[str, ...]: (json.dumps, lambda text: tuple(json.loads(text))),
    tuple[tuple[str, str], ...]: (json.dumps, _read_pairs),
}

DEVICE: Final = Table(DeviceLogin, "device_login")
REFRESH: Final = Table(RefreshLogin, "refresh_login")
CODE: Final = Table(AuthorizationCode, "authorization_code")
PUSHED: Final = Table(PushedRequest, "pushed_request")
CONSENT: Final = Table(Consent, "consent")
AUTHENTICATOR: Final = Table(Authenticator, "authenticator")
MFA_LOGIN: Final = Table(MfaLogin, "mfa_login")
SESSION: Final = Table(BrowserSession, "browser_session")
PERSON: Final = Table(User, "person")
KEY: Final = Table(StoredKey, "signing_key")
DOCUMENT: Final = Table(Document, "document")

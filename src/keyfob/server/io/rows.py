"""Records to rows and back: the names of columns, and numbers for times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from keyfob.jose.algorithms import named
from keyfob.protocol.scope import Scope
from keyfob.server.records import BrowserSession, DeviceLogin, RefreshLogin, StoredKey, User

Row = Sequence[Any]  # whatever the column holds; the schema says what that is

DEVICE: Final = (
    "device_code_hash, user_code_hash, client_id, audience, scope, peer, created_s, expires_s, stage, session_hash, "
    "user_id, auth_s"
)
REFRESH: Final = (
    "login_id, client_id, user_id, audience, scope, auth_s, created_s, expires_s, idle_expires_s, generation, "
    "current_hash, previous_hash, has_ended"
)
SESSION: Final = "session_hash, created_s, seen_s, user_id, auth_s, device_code_hash, outcome"
PERSON: Final = "user_id, email, name, password_hash, updated_s, is_blocked"
KEY: Final = "key_id, algorithm, sealed, created_s"


def marks(columns: str) -> str:
    """A question mark for each column."""
    return ", ".join("?" for _ in columns.split(","))


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _time_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _time(seconds)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def write_device(login: DeviceLogin) -> Row:
    """In the order of DEVICE."""
    return (
        login.device_code_hash,
        login.user_code_hash,
        login.client_id,
        login.audience,
        login.scope.write(),
        login.peer,
        _seconds(login.created_at),
        _seconds(login.expires_at),
        login.stage,
        login.session_hash,
        login.user_id,
        _seconds(login.auth_time),
    )


def read_device(row: Row) -> DeviceLogin:
    """From the columns of DEVICE."""
    code, user_code, client_id, audience, scope, peer, created, expires, stage, session, user_id, auth = row
    return DeviceLogin(
        code,
        user_code,
        client_id,
        audience,
        Scope.read(scope),
        peer,
        _time(created),
        _time(expires),
        stage,
        session,
        user_id,
        _time_or_none(auth),
    )


def write_refresh(login: RefreshLogin) -> Row:
    """In the order of REFRESH."""
    return (
        login.login_id,
        login.client_id,
        login.user_id,
        login.audience,
        login.scope.write(),
        _seconds(login.auth_time),
        _seconds(login.created_at),
        _seconds(login.expires_at),
        _seconds(login.idle_expires_at),
        login.generation,
        login.current_hash,
        login.previous_hash,
        int(login.has_ended),
    )


def read_refresh(row: Row) -> RefreshLogin:
    """From the columns of REFRESH."""
    login_id, client_id, user_id, audience, scope, auth, created, expires, idle, generation, now, before, ended = row
    return RefreshLogin(
        login_id,
        client_id,
        user_id,
        audience,
        Scope.read(scope),
        _time(auth),
        _time(created),
        _time(expires),
        _time(idle),
        generation,
        now,
        before,
        bool(ended),
    )


def write_session(session: BrowserSession) -> Row:
    """In the order of SESSION."""
    return (
        session.session_hash,
        _seconds(session.created_at),
        _seconds(session.seen_at),
        session.user_id,
        _seconds(session.auth_time),
        session.device_code_hash,
        session.outcome,
    )


def read_session(row: Row) -> BrowserSession:
    """From the columns of SESSION."""
    hashed, created, seen, user_id, auth, device, outcome = row
    return BrowserSession(hashed, _time(created), _time(seen), user_id, _time_or_none(auth), device, outcome)


def write_user(user: User) -> Row:
    """In the order of PERSON."""
    return (
        user.user_id,
        user.email,
        user.name,
        user.password_hash,
        _seconds(user.updated_at),
        int(user.is_blocked),
    )


def read_user(row: Row) -> User:
    """From the columns of PERSON."""
    user_id, email, name, password_hash, updated, blocked = row
    return User(user_id, email, name, password_hash, _time(updated), bool(blocked))


def write_key(key: StoredKey) -> Row:
    """In the order of KEY."""
    return (key.key_id, key.algorithm, key.sealed, _seconds(key.created_at))


def read_key(row: Row) -> StoredKey:
    """From the columns of KEY."""
    algorithm = named(row[1])
    assert algorithm is not None, "a key's algorithm is written by write_key alone"  # noqa: S101
    return StoredKey(row[0], algorithm, row[2], _time(row[3]))

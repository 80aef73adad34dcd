"""A store in one SQLite file, with WAL and one writer thread.

Functions that wait for the writer are committed together, each in its own savepoint. So one fsync is enough for many of
them, and each returns after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeVar

from keyfob.errors import Misuse
from keyfob.server import rows
from keyfob.server.io.memory import KEPT_AFTER
from keyfob.server.ports import Transaction
from keyfob.server.records import (
    DEFAULT_CONNECTION,
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
    Tries,
    User,
)

R = TypeVar("R")
T = TypeVar("T")
Settle = Callable[[BaseException | None], None]
Attempt = Callable[[sqlite3.Connection | None], Settle]
_LONGEST_SESSION_S: Final = 400 * 24 * 3600


class SqliteTransaction:
    """Load and save on one connection. `SqliteStore` begins and commits the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _all(self, table: rows.Table[R], rest: str, *values: object) -> tuple[R, ...]:
        sql = f"SELECT {table.columns} FROM {table.name} {rest}"  # noqa: S608  fixed words; values are bound
        return tuple(map(table.read, self._connection.execute(sql, values)))

    def _one(self, table: rows.Table[R], rest: str, *values: object) -> R | None:
        sql = f"SELECT {table.columns} FROM {table.name} WHERE {rest}"  # noqa: S608
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else table.read(row)

    def _put(self, table: rows.Table[R], record: R, verb: str = "INSERT OR REPLACE") -> None:
        sql = f"{verb} INTO {table.name} ({table.columns}) VALUES ({table.marks})"
        self._connection.execute(sql, table.write(record))

    def device_by_code(self, device_code_hash: bytes) -> DeviceLogin | None:
        return self._one(rows.DEVICE, "device_code_hash = ?", device_code_hash)

    def device_by_user_code(self, user_code_hash: bytes) -> DeviceLogin | None:
        return self._one(rows.DEVICE, "user_code_hash = ?", user_code_hash)

    def add_device(self, login: DeviceLogin) -> bool:
        try:
            self._put(rows.DEVICE, login, "INSERT")
        except sqlite3.IntegrityError:
            return False
        return True

    def save_device(self, login: DeviceLogin) -> None:
        self._put(rows.DEVICE, login)

    def refresh_by_id(self, login_id: bytes) -> RefreshLogin | None:
        return self._one(rows.REFRESH, "login_id = ?", login_id)

    def save_refresh(self, login: RefreshLogin) -> None:
        self._put(rows.REFRESH, login)

    def evict_refreshes(self, user_id: str, client_id: str, keep: int, *, renewable: bool = True) -> int:
        sql = (
            "UPDATE refresh_login SET has_ended = 1 WHERE login_id IN (SELECT login_id FROM refresh_login WHERE "
            "user_id = ? AND client_id = ? AND (generation > 0) = ? AND has_ended = 0 "
            "ORDER BY created_s DESC LIMIT -1 OFFSET ?)"
        )
        return self._connection.execute(sql, (user_id, client_id, renewable, keep)).rowcount

    def end_logins(self, user_id: str, keep_session: bytes = b"") -> None:
        execute = self._connection.execute
        execute("UPDATE refresh_login SET has_ended = 1 WHERE user_id = ?", (user_id,))
        execute("UPDATE device_login SET stage = 'lapsed' WHERE user_id = ? AND stage = 'approved'", (user_id,))
        execute("DELETE FROM authorization_code WHERE user_id = ?", (user_id,))
        execute("DELETE FROM mfa_login WHERE user_id = ?", (user_id,))
        execute("DELETE FROM browser_session WHERE user_id = ? AND session_hash <> ?", (user_id, keep_session))

    def revoke_token(self, mark: bytes, until: datetime) -> None:
        sql = "INSERT OR REPLACE INTO revoked_token (mark, expires_s) VALUES (?, ?)"
        self._connection.execute(sql, (mark, until.timestamp()))

    def is_revoked(self, mark: bytes) -> bool:
        return self._connection.execute("SELECT 1 FROM revoked_token WHERE mark = ?", (mark,)).fetchone() is not None

    def code(self, code_hash: bytes) -> AuthorizationCode | None:
        return self._one(rows.CODE, "code_hash = ?", code_hash)

    def save_code(self, code: AuthorizationCode) -> None:
        self._put(rows.CODE, code)

    def pushed(self, uri_hash: bytes) -> PushedRequest | None:
        return self._one(rows.PUSHED, "uri_hash = ?", uri_hash)

    def save_pushed(self, pushed: PushedRequest) -> None:
        self._put(rows.PUSHED, pushed)

    def consent(self, user_id: str, client_id: str, audience: str) -> Consent | None:
        return self._one(rows.CONSENT, "user_id = ? AND client_id = ? AND audience = ?", user_id, client_id, audience)

    def save_consent(self, consent: Consent) -> None:
        self._put(rows.CONSENT, consent)

    def authenticators(self, user_id: str) -> tuple[Authenticator, ...]:
        return self._all(rows.AUTHENTICATOR, "WHERE user_id = ? ORDER BY created_s", user_id)

    def save_authenticator(self, authenticator: Authenticator) -> None:
        self._put(rows.AUTHENTICATOR, authenticator)

    def drop_authenticator(self, authenticator_id: str) -> None:
        self._connection.execute("DELETE FROM authenticator WHERE authenticator_id = ?", (authenticator_id,))

    def mfa_login(self, token_hash: bytes) -> MfaLogin | None:
        return self._one(rows.MFA_LOGIN, "token_hash = ?", token_hash)

    def save_mfa_login(self, login: MfaLogin) -> None:
        self._put(rows.MFA_LOGIN, login)

    def use_once(self, replay_key: bytes, until: datetime) -> bool:
        sql = "INSERT OR IGNORE INTO used_once (mark, expires_s) VALUES (?, ?)"
        return self._connection.execute(sql, (replay_key, until.timestamp())).rowcount == 1

    def tries(self, tries_key: bytes) -> Tries | None:
        return self._one(rows.TRIES, "tries_key = ?", tries_key)

    def save_tries(self, tries: Tries) -> None:
        self._put(rows.TRIES, tries)

    def drop_tries(self, tries_key: bytes) -> None:
        self._connection.execute("DELETE FROM tries WHERE tries_key = ?", (tries_key,))

    def session(self, session_hash: bytes) -> BrowserSession | None:
        return self._one(rows.SESSION, "session_hash = ?", session_hash)

    def save_session(self, session: BrowserSession) -> None:
        self._put(rows.SESSION, session)

    def drop_session(self, session_hash: bytes) -> None:
        self._connection.execute("DELETE FROM browser_session WHERE session_hash = ?", (session_hash,))

    def user_by_id(self, user_id: str) -> User | None:
        return self._one(rows.PERSON, "user_id = ?", user_id)

    def user_by_email(self, email: str, connection: str = DEFAULT_CONNECTION) -> User | None:
        return self._one(rows.PERSON, "connection = ? AND email = ?", connection, email)

    def users(self) -> tuple[User, ...]:
        return self._all(rows.PERSON, "ORDER BY email, connection")

    def save_user(self, user: User) -> None:
        self._put(rows.PERSON, user)

    def drop_user(self, user_id: str) -> None:
        self.end_logins(user_id)
        for table in ("person", "refresh_login", "authenticator", "consent"):
            self._connection.execute(f"DELETE FROM {table} WHERE user_id = ?", (user_id,))  # noqa: S608

    def documents(self) -> tuple[Document, ...]:
        return self._all(rows.DOCUMENT, "ORDER BY kind, name")

    def save_document(self, document: Document) -> None:
        self._put(rows.DOCUMENT, document)

    def drop_document(self, kind: str, name: str) -> None:
        self._connection.execute("DELETE FROM document WHERE kind = ? AND name = ?", (kind, name))

    def signing_keys(self) -> tuple[StoredKey, ...]:
        return self._all(rows.KEY, "ORDER BY created_s DESC")

    def add_key(self, key: StoredKey) -> None:
        self._put(rows.KEY, key)

    def sweep(self, now: datetime, most: int) -> int:
        late, at_once = (now - KEPT_AFTER).timestamp(), now.timestamp()
        limits = (
            ("device_login", "device_code_hash", "expires_s", late),
            ("authorization_code", "code_hash", "expires_s", late),
            ("mfa_login", "token_hash", "expires_s", late),
            ("pushed_request", "uri_hash", "expires_s", at_once),
            ("used_once", "mark", "expires_s", at_once),
            ("tries", "tries_key", "expires_s", at_once),
            ("revoked_token", "mark", "expires_s", at_once),
            ("refresh_login", "login_id", "expires_s", at_once),
            ("authenticator", "authenticator_id", "expires_s", at_once),
            ("browser_session", "session_hash", "created_s", at_once - _LONGEST_SESSION_S),
        )
        gone = 0
        for table, key, column, before in limits:
            sql = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {column} <= ? LIMIT ?)"  # noqa: S608  fixed words
            gone += self._connection.execute(sql, (before, most - gone)).rowcount
        return gone


class SqliteStore:
    """A store in one file. Reads take microseconds and run on the event loop's thread; writes run on another thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, and migrate its schema.

        Raises:
            Misuse: The file is not a store, or a newer keyfob created it (code `store-newer`).
        """
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.ExitStack() as opened:  # closes the first connection if the second fails
            try:
                self._writer = opened.enter_context(contextlib.closing(_open(path)))
                _migrate(self._writer)
                self._reader = opened.enter_context(contextlib.closing(_open(path)))
            except sqlite3.DatabaseError as problem:
                raise Misuse(f"{path} cannot be used as a store ({type(problem).__name__})") from None
            opened.pop_all()
        self._waiting: list[Attempt] = []
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keyfob-store")

    async def read(self, work: Callable[[Transaction], T]) -> T:
        self._reader.execute("BEGIN")
        try:
            return work(SqliteTransaction(self._reader))
        finally:
            self._reader.execute("ROLLBACK")

    async def write(self, work: Callable[[Transaction], T]) -> T:
        promise: Future[T] = Future()
        with self._lock:
            self._waiting.append(lambda writer: _attempt(work, writer, promise))
        self._thread.submit(self._write_waiting)
        return await asyncio.wrap_future(promise)

    async def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._reader.close()
        self._writer.close()

    def _write_waiting(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        if not batch:
            return
        settled: list[Settle] = []
        try:
            # IMMEDIATE, since a transaction that begins with a read fails if another process writes before it does.
            self._writer.execute("BEGIN IMMEDIATE")
            settled.extend(attempt(self._writer) for attempt in batch)
            self._writer.execute("COMMIT")
            failure = None
        except sqlite3.Error as problem:  # such as a full disk: the whole batch is lost
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            failure = problem
            settled += [attempt(None) for attempt in batch[len(settled) :]]
        for settle in settled:
            settle(failure)


def _attempt(work: Callable[[Transaction], T], writer: sqlite3.Connection | None, promise: Future[T]) -> Settle:
    """Run one function of a batch. Return a function that sets the result once the batch is committed or lost."""
    if not promise.set_running_or_notify_cancel():
        return lambda _: None
    if writer is None:
        return lambda failure: promise.set_exception(failure or sqlite3.OperationalError())
    try:
        writer.execute("SAVEPOINT piece")
        found = work(SqliteTransaction(writer))
        writer.execute("RELEASE piece")
    except BaseException as problem:  # noqa: BLE001  it is raised in the caller of `write`
        with contextlib.suppress(sqlite3.Error):  # a full disk rolls back the whole batch; then COMMIT fails too
            writer.execute("ROLLBACK TO piece")
            writer.execute("RELEASE piece")
        own = problem
        return lambda _: promise.set_exception(own)

    def settle(failure: BaseException | None) -> None:
        if failure is None:
            promise.set_result(found)
        else:
            promise.set_exception(failure)

    return settle


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # an issued token survives a power failure
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    """Migrate the schema. `user_version` is the number of the migrations that were run.

    Raises:
        Misuse: A newer keyfob created the file.
    """
    folder = files("keyfob.server.io").joinpath("schema")
    steps = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(steps):
            raise Misuse(
                "the store was made by a newer keyfob", code="store-newer", hint="Use that version, or another folder."
            )
        for number, step in enumerate(steps[version:], start=version + 1):
            for statement in _statements(step.read_text(encoding="utf-8")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _statements(script: str) -> list[str]:
    plain = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    return [part for part in plain.split(";") if part.strip()]

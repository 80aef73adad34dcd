"""A store in one SQLite file: WAL, and one writer on its own thread.

What waits while the writer is busy is committed together, each piece of work under its own savepoint: one wait for the
disk serves many, and nobody is answered before it is over.
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
from keyfob.server.io import rows
from keyfob.server.io.memory import KEPT_AFTER
from keyfob.server.ports import Transaction
from keyfob.server.records import BrowserSession, DeviceLogin, RefreshLogin, StoredKey, User

T = TypeVar("T")
Settle = Callable[[BaseException | None], None]
Attempt = Callable[[sqlite3.Connection | None], Settle]
_LONGEST_SESSION_S: Final = 400 * 24 * 3600


class SqliteTransaction:
    """Loads and saves on one connection; `SqliteStore` begins and commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Within a transaction, or not: that is the caller's to know."""
        self._connection = connection

    def _one(self, sql: str, *values: object) -> rows.Row | None:
        found: rows.Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def _put(self, table: str, columns: str, row: rows.Row) -> None:
        self._connection.execute(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({rows.marks(columns)})", row)  # noqa: S608

    def device_by_code(self, device_code_hash: bytes) -> DeviceLogin | None:
        """By the program's code."""
        row = self._one(f"SELECT {rows.DEVICE} FROM device_login WHERE device_code_hash = ?", device_code_hash)  # noqa: S608
        return None if row is None else rows.read_device(row)

    def device_by_user_code(self, user_code_hash: bytes) -> DeviceLogin | None:
        """By the person's code."""
        row = self._one(f"SELECT {rows.DEVICE} FROM device_login WHERE user_code_hash = ?", user_code_hash)  # noqa: S608
        return None if row is None else rows.read_device(row)

    def add_device(self, login: DeviceLogin) -> bool:
        """Add a login; False when another has its user code."""
        try:
            self._connection.execute(
                f"INSERT INTO device_login ({rows.DEVICE}) VALUES ({rows.marks(rows.DEVICE)})",  # noqa: S608
                rows.write_device(login),
            )
        except sqlite3.IntegrityError:
            return False
        return True

    def save_device(self, login: DeviceLogin) -> None:
        """Replace."""
        self._put("device_login", rows.DEVICE, rows.write_device(login))

    def refresh_by_id(self, login_id: bytes) -> RefreshLogin | None:
        """By the id in its tokens."""
        row = self._one(f"SELECT {rows.REFRESH} FROM refresh_login WHERE login_id = ?", login_id)  # noqa: S608
        return None if row is None else rows.read_refresh(row)

    def save_refresh(self, login: RefreshLogin) -> None:
        """Add or replace."""
        self._put("refresh_login", rows.REFRESH, rows.write_refresh(login))

    def session(self, session_hash: bytes) -> BrowserSession | None:
        """By its hash."""
        row = self._one(f"SELECT {rows.SESSION} FROM browser_session WHERE session_hash = ?", session_hash)  # noqa: S608
        return None if row is None else rows.read_session(row)

    def save_session(self, session: BrowserSession) -> None:
        """Add or replace."""
        self._put("browser_session", rows.SESSION, rows.write_session(session))

    def drop_session(self, session_hash: bytes) -> None:
        """Forget it."""
        self._connection.execute("DELETE FROM browser_session WHERE session_hash = ?", (session_hash,))

    def user_by_id(self, user_id: str) -> User | None:
        """By the id."""
        row = self._one(f"SELECT {rows.PERSON} FROM person WHERE user_id = ?", user_id)  # noqa: S608
        return None if row is None else rows.read_user(row)

    def user_by_email(self, email: str) -> User | None:
        """By the e-mail, in any case."""
        row = self._one(f"SELECT {rows.PERSON} FROM person WHERE email = ?", email)  # noqa: S608
        return None if row is None else rows.read_user(row)

    def save_user(self, user: User) -> None:
        """Add or replace."""
        self._put("person", rows.PERSON, rows.write_user(user))

    def signing_keys(self) -> tuple[StoredKey, ...]:
        """Newest first."""
        found = self._connection.execute(f"SELECT {rows.KEY} FROM signing_key ORDER BY created_s DESC")  # noqa: S608
        return tuple(rows.read_key(row) for row in found)

    def add_key(self, key: StoredKey) -> None:
        """Add one."""
        self._put("signing_key", rows.KEY, rows.write_key(key))

    def sweep(self, now: datetime, most: int) -> int:
        """Forget what lapsed a while ago, in a batch small enough to stall nobody."""
        limits = {
            "device_login WHERE device_code_hash IN (SELECT device_code_hash FROM device_login WHERE expires_s": (
                now - KEPT_AFTER
            ).timestamp(),
            "refresh_login WHERE login_id IN (SELECT login_id FROM refresh_login WHERE expires_s": now.timestamp(),
            "browser_session WHERE session_hash IN (SELECT session_hash FROM browser_session WHERE created_s": (
                now.timestamp() - _LONGEST_SESSION_S
            ),
        }
        gone = 0
        for what, before in limits.items():
            sql = f"DELETE FROM {what} <= ? LIMIT ?)"  # noqa: S608  fixed words, no stranger's
            gone += self._connection.execute(sql, (before, most - gone)).rowcount
        return gone


class SqliteStore:
    """One file. Reads run on the event loop's thread: by key, in microseconds. Writes queue for one thread."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, and bring its schema up to date.

        Raises:
            Misuse: It is no database of ours; with code `store-newer`, a newer keyfob made it.
        """
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.ExitStack() as opened:  # what was opened is closed again, should the rest fail
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
        """Run work that saves nothing, on a snapshot."""
        self._reader.execute("BEGIN")
        try:
            return work(SqliteTransaction(self._reader))
        finally:
            self._reader.execute("ROLLBACK")

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run work alone, and make it durable."""
        promise: Future[T] = Future()
        with self._lock:
            self._waiting.append(lambda writer: _attempt(work, writer, promise))
        self._thread.submit(self._write_waiting)
        return await asyncio.wrap_future(promise)

    async def close(self) -> None:
        """Let go of the file."""
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
            # IMMEDIATE: a read that later writes would otherwise fail at once when another writer came between.
            self._writer.execute("BEGIN IMMEDIATE")
            settled.extend(attempt(self._writer) for attempt in batch)
            self._writer.execute("COMMIT")
            failure = None
        except sqlite3.Error as problem:  # the disk is full, say: nothing of the batch is durable
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            failure = problem
            settled += [attempt(None) for attempt in batch[len(settled) :]]
        for settle in settled:
            settle(failure)


def _attempt(work: Callable[[Transaction], T], writer: sqlite3.Connection | None, promise: Future[T]) -> Settle:
    """Run one piece of a batch; gives what tells its waiter, once the batch is durable or lost."""
    if not promise.set_running_or_notify_cancel():
        return lambda _: None
    if writer is None:
        return lambda failure: promise.set_exception(failure or sqlite3.OperationalError())
    try:
        writer.execute("SAVEPOINT piece")
        found = work(SqliteTransaction(writer))
        writer.execute("RELEASE piece")
    except BaseException as problem:  # noqa: BLE001  it is raised where the work was asked for
        with contextlib.suppress(sqlite3.Error):  # a full disk has undone more than this piece; then COMMIT fails too
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
        connection.execute("PRAGMA synchronous = FULL")  # a token that was handed out survives a power cut
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date; a number in the file says how far it is.

    Raises:
        Misuse: A newer keyfob made the file.
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

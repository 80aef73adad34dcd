"""A store in one SQLite file, or in memory.

Functions that are passed to `read` and `write` run one after the other on the event loop. Functions that are passed to
`write` at the same time are a batch: they share one transaction. A thread commits this transaction, since a commit
waits for the disk (fsync). Each call of `write` returns after the commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import Any, Final, TypeVar

from keyfob.errors import KeyfobError, Misuse, StoreUnavailable
from keyfob.run import run
from keyfob.server.io.device_cache import DeviceCache, ReadingTransaction, WritingTransaction
from keyfob.server.io.migrations import missing_steps
from keyfob.server.ports import Transaction, Work
from keyfob.server.rows import Row

T = TypeVar("T")
_LOCK_WAIT_MS: Final = 5_000  # the longest wait for another process that is writing


@dataclass(eq=False, slots=True)
class _Piece:
    """One function of a batch, and the future that gets the function's result after the commit."""

    work: Work[Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: object = None


class _Statements:
    """Runs statements on one connection.

    The methods are coroutines, since `SqlTransaction` awaits them. SQLite responds at once, so they never suspend.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute

    async def query(self, sql: str, *values: object) -> Sequence[Row]:
        return self._execute(sql, values).fetchall()

    async def change(self, sql: str, *values: object) -> int:
        return self._execute(sql, values).rowcount

    async def change_each(self, sql: str, values: Sequence[Row]) -> None:
        self._connection.executemany(sql, values)

    async def lock_log(self) -> None:
        """Do nothing, since SQLite never runs two write transactions at the same time."""


class _Snapshot(_Statements):
    """Begins a transaction at the first query. If the cache already has the result, no transaction is begun."""

    async def query(self, sql: str, *values: object) -> Sequence[Row]:
        if not self._connection.in_transaction:
            self._execute("BEGIN")
        return self._execute(sql, values).fetchall()


class SqliteStore:
    """A store in an SQLite file that only its owner may read, or in memory."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = monotonic) -> None:
        """Open or create the file, and migrate its schema.

        Args:
            path: The file; None for a database in memory.
            clock: A monotonic clock in seconds.

        Raises:
            Misuse: The file cannot be used as a store, or a newer keyfob wrote it.
        """
        self._is_file = path is not None
        self._writer = _open_file(path) if path else _open_memory()
        try:
            self._reader = _open(path) if path else self._writer
        except sqlite3.Error as problem:
            self._writer.close()
            raise _unusable(path, problem) from None
        self._clock = clock
        self._cache = DeviceCache()
        self._to_write = WritingTransaction(_Statements(self._writer), self._cache)
        self._to_read = ReadingTransaction(_Snapshot(self._reader), self._cache, self._look)
        self._waiting: list[_Piece] = []
        self._is_busy = False
        self._begins_on: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._reading = threading.Lock() if path else self._lock
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        if path is None:  # tests may drop a tenant in memory without closing it
            weakref.finalize(self, self._writer.close)

    async def read(self, work: Work[T]) -> T:
        try:
            with self._reading:
                self._to_read.changes = self._cache.changes
                try:
                    return run(work(self._to_read))
                finally:
                    if self._reader.in_transaction:
                        self._reader.execute("ROLLBACK")
        except sqlite3.Error as problem:
            raise _failure(problem) from problem

    async def write(self, work: Work[T]) -> T:
        if not self._is_file:
            return self._write_memory(work)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._lock:
            self._waiting.append(_Piece(work, loop, future))
            # If the event loop that should begin the batch was closed before, the next caller begins the batch.
            is_first = not self._is_busy or (self._begins_on is not None and self._begins_on.is_closed())
            if is_first:
                self._is_busy, self._begins_on = True, loop
        if is_first:
            loop.call_soon(self._begin)  # all functions of this iteration of the event loop share the commit
        return await future

    async def close(self) -> None:
        while self._is_busy:
            with contextlib.suppress(StoreUnavailable):
                await self.write(_nothing)  # returns after all waiting functions were committed
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
        self._cache.clear()
        self._reader.close()
        self._writer.close()

    def _look(self) -> float:
        """Validate the cache of device logins if this is due. Return the time.

        Do not validate it while a batch is under way, since the batch does this itself.
        """
        now = self._clock()
        if now >= self._cache.valid_until:
            if not self._is_file:
                self._cache.validate(0, now)
            else:
                with self._lock:
                    if not self._is_busy:
                        self._validate(now)
            if not self._reader.in_transaction:  # no snapshot was taken yet
                self._to_read.changes = self._cache.changes
        return now

    def _validate(self, now: float) -> None:
        # Read the version on the writing connection, where only commits of other processes change it.
        with contextlib.suppress(sqlite3.Error):
            self._cache.validate(self._writer.execute("PRAGMA data_version").fetchone()[0], now)

    def _write_memory(self, work: Work[T]) -> T:
        with self._lock, _translated():
            self._writer.execute("BEGIN")
            try:
                result = run(work(self._to_write))
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            else:
                self._writer.execute("COMMIT")
                return result
            finally:
                self._cache.settle()

    def _begin(self) -> None:
        """Begin the transaction of a batch. If another process has locked the file, wait for the lock on a thread."""
        self._begins_on = None
        try:
            if self._writer.in_transaction:  # begun on an event loop that was closed before the commit
                self._writer.execute("ROLLBACK")
            # IMMEDIATE locks at once. Without it, the first write fails if another process wrote since the first read.
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            self._later(self._begin_late)
        else:
            self._run_waiting()

    def _begin_late(self) -> None:
        try:
            self._writer.execute(f"PRAGMA busy_timeout = {_LOCK_WAIT_MS}")
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            finally:
                self._writer.execute("PRAGMA busy_timeout = 0")
        except sqlite3.Error as problem:
            with self._lock:
                pieces, self._waiting = self._waiting, []
            self._tell(pieces, _failure(problem))
            self._next(self._begin)
        else:
            if not self._next(self._run_waiting):
                self._writer.execute("ROLLBACK")

    def _run_waiting(self) -> None:
        """Run the waiting functions. If a function raises, roll back, and run the other functions again."""
        with self._lock:
            pieces = [piece for piece in self._waiting if not piece.future.cancelled()]
            self._waiting, self._begins_on = [], None
        self._validate(self._clock())  # the batch holds the lock, so no other process commits before it
        for piece in pieces:
            try:
                piece.result = run(piece.work(self._to_write))
            except BaseException as problem:  # noqa: BLE001  it is raised in the caller of `write`
                with contextlib.suppress(sqlite3.Error):  # at a full disk, SQLite has rolled back already
                    self._writer.execute("ROLLBACK")
                self._cache.settle()
                pieces.remove(piece)
                with self._lock:
                    self._waiting = pieces + self._waiting
                self._tell([piece], _failure(problem))
                self._begin()
                return
        self._later(lambda: self._commit(pieces))

    def _commit(self, pieces: list[_Piece]) -> None:
        failure = None
        try:
            self._writer.execute("COMMIT")
        except sqlite3.Error as problem:  # such as a full disk: the whole batch is lost
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            failure = _failure(problem)
        self._cache.settle()
        self._tell(pieces, failure)
        self._next(self._begin)

    def _tell(self, pieces: list[_Piece], failure: BaseException | None) -> None:
        """Pass each caller the result of its function. If `failure` is not None, raise it in each caller instead.

        Each caller waits on an event loop. All callers on the same event loop are served by one callback.
        """
        for loop in {piece.loop for piece in pieces}:
            own = [piece for piece in pieces if piece.loop is loop]
            with contextlib.suppress(RuntimeError):  # the event loop is closed, so no caller waits
                loop.call_soon_threadsafe(_settle, own, failure)

    def _next(self, step: Callable[[], None]) -> bool:
        """Schedule the next step of a batch on the event loop of the first waiting function.

        Waiting functions whose event loop is closed are dropped. Return False if no function waits.
        """
        while True:
            with self._lock:
                if not self._waiting:
                    self._is_busy = False
                    return False
                loop = self._begins_on = self._waiting[0].loop
            try:
                loop.call_soon_threadsafe(step)
            except RuntimeError:  # the event loop is closed
                with self._lock:
                    self._waiting = [piece for piece in self._waiting if piece.loop is not loop]
            else:
                return True

    def _later(self, job: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="keyfob-store", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


async def _nothing(_: Transaction) -> None:
    pass


def _settle(pieces: list[_Piece], failure: BaseException | None) -> None:
    for piece in pieces:
        if piece.future.done():
            continue
        if failure is None:
            piece.future.set_result(piece.result)
        else:
            piece.future.set_exception(failure)


@contextlib.contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as problem:
        raise _failure(problem) from problem


def _failure(problem: BaseException) -> BaseException:
    """Return the exception to raise in the caller of `read` or `write`.

    - If a statement has violated a constraint, return its exception unchanged.
    - For every other error of SQLite, return StoreUnavailable, since the database cannot be used now.
    - If the exception does not come from SQLite, return it unchanged.
    """
    if not isinstance(problem, sqlite3.Error) or isinstance(problem, sqlite3.IntegrityError):
        return problem
    failure = StoreUnavailable(f"the store cannot be used ({problem})")
    failure.__cause__ = problem
    return failure


def _unusable(path: Path | None, problem: sqlite3.Error) -> KeyfobError:
    if getattr(problem, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}:
        return StoreUnavailable(f"{path} cannot be used now ({problem})")
    return Misuse(f"{path} cannot be used as a store ({type(problem).__name__})")


def _open_file(path: Path) -> sqlite3.Connection:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        connection = _open(path)
        try:
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as problem:
        raise _unusable(path, problem) from None
    connection.execute("PRAGMA busy_timeout = 0")  # the event loop must not wait for another process
    return connection


def _open_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.deserialize(_empty())
    return connection


@cache
def _empty() -> bytes:
    """Return an empty database with the current schema."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        _migrate(connection)
        return connection.serialize()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_LOCK_WAIT_MS / 1000)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # Copy changes to the database file after 16 MB, not 4 MB: a page that changed several times is copied once.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA synchronous = FULL")  # so that an issued token survives a power failure
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    """Migrate the schema. SQLite's `user_version` stores the number of migrations that have run.

    Raises:
        Misuse: A newer keyfob created the file.
    """
    connection.execute("BEGIN EXCLUSIVE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for number, statements in missing_steps(version):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")

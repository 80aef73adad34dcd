"""A store in a PostgreSQL database, which many nodes share.

Each function that is passed to `read` or `write` runs in one transaction; transactions of `write` are SERIALIZABLE. If
transactions conflict, one commits and the others run again. The third attempt runs while no other transaction of any
node writes, so it cannot conflict (docs/decisions/0043-postgresql.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from functools import cache
from itertools import count
from typing import Any, Final, Protocol, TypeVar, cast

import asyncpg  # type: ignore[import-untyped]  # it has no types

from keyfob.errors import Misuse, StoreUnavailable
from keyfob.server.io.database_url import connect_arguments, shown
from keyfob.server.io.migrations import in_postgresql, missing_steps
from keyfob.server.ports import Work
from keyfob.server.rows import Row
from keyfob.server.sql import SqlTransaction

T = TypeVar("T")
CONNECTIONS: Final = 10  # the greatest number for one event loop
_CONNECT_S: Final = 3.0  # the longest wait for a new connection, or for one that another transaction uses
_ANSWER_S: Final = 10.0  # for one statement; only a dead network needs it, since the database's own limit is shorter
_MIGRATION_S: Final = 3600.0
_SETTINGS: Final = {
    "application_name": "keyfob",
    "statement_timeout": "5s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
    # A scan of a whole table conflicts with every change of the table. An index scan conflicts only with some.
    "enable_seqscan": "off",
}
_TOGETHER: Final = "BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK TABLE keyfob_schema IN ROW SHARE MODE"
_ALONE: Final = "BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK TABLE keyfob_schema IN EXCLUSIVE MODE"
# Make commits durable, so that an issued token survives a crash. Stricter settings than `on` are not changed.
_DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
# This lock conflicts only with itself and _ALONE. The events table is not locked, since that would wait for autovacuum.
_LOCK_LOG: Final = "LOCK TABLE keyfob_schema IN SHARE UPDATE EXCLUSIVE MODE"
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_TRIES_TOGETHER: Final = 2
_TRIES: Final = 5  # the later attempts run alone, and so can conflict only with programs other than keyfob
_LONGEST_PAUSE_S: Final = 0.01
_MIGRATION_LOCK: Final = 0x6B6579666F62  # "keyfob"
# A concurrent change can cause a UniqueViolationError. If the transaction ran alone, the error is a mistake instead.
_CONFLICTS: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.UniqueViolationError)
_FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError)
# These errors mean a wrong value, not an unusable database. asyncpg raises ValueError for a value that it cannot send.
_MISTAKES: Final = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, ValueError)


class _Connection(Protocol):
    """The methods of an asyncpg connection that this module calls. asyncpg itself has no type annotations."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str: ...  # noqa: ASYNC109
    async def executemany(self, command: str, args: Sequence[Row]) -> None: ...
    async def fetch(self, query: str, *args: object) -> list[Row]: ...
    async def fetchval(self, query: str, *args: object) -> Any: ...  # noqa: ANN401  the statement defines the type
    def is_closed(self) -> bool: ...
    def is_in_transaction(self) -> bool: ...
    def terminate(self) -> None: ...


class _Pool(Protocol):
    """The methods of an asyncpg pool that this module calls."""

    async def acquire(self, *, timeout: float) -> _Connection: ...  # noqa: ASYNC109
    async def release(self, connection: _Connection) -> None: ...
    async def expire_connections(self) -> None: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...


_CREATE_POOL: Final[Callable[..., Awaitable[_Pool]]] = cast(Any, asyncpg).create_pool


class _PostgresStatements:
    """Runs statements in the transaction of a connection."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def query(self, sql: str, *values: object) -> Sequence[Row]:
        return await self._connection.fetch(_numbered(sql), *values)

    async def change(self, sql: str, *values: object) -> int:
        done = await self._connection.execute(_numbered(sql), *values)
        return int(done.rpartition(" ")[2])

    async def change_each(self, sql: str, values: Sequence[Row]) -> None:
        await self._connection.executemany(_numbered(sql), values)

    async def lock_log(self) -> None:
        await self._connection.execute(_LOCK_LOG)


class _SecondQuery(Exception):
    """Raised at the second query of a read function. The function then runs again, in a transaction."""


class _OneQuery(_PostgresStatements):
    """Runs one query without a transaction.

    A single query needs no transaction for a consistent snapshot. Without BEGIN and COMMIT, it takes one round trip.
    """

    _is_used = False

    async def query(self, sql: str, *values: object) -> Sequence[Row]:
        if self._is_used:
            raise _SecondQuery
        self._is_used = True
        return await super().query(sql, *values)


class PostgresStore:
    """A store in a PostgreSQL database. The store connects at its first use, and again after a failure."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        """Create a store. Its first use migrates the schema.

        Args:
            url: `postgresql://USER@HOST/DATABASE`, with the parameters of libpq.
            connections: The greatest number of connections of one event loop.

        Raises:
            Misuse: The URL cannot be used.
        """
        self._name = shown(url)
        self._arguments = {**_pool_arguments(), **connect_arguments(url), "max_size": connections}
        self._pools: dict[asyncio.AbstractEventLoop, tuple[_Pool, AsyncGenerator[_Pool]]] = {}
        self._is_current = False

    async def read(self, work: Work[T]) -> T:
        with _translated():
            async with self._borrowed() as connection:
                with contextlib.suppress(_SecondQuery):
                    return await work(SqlTransaction(_OneQuery(connection)))
                await connection.execute(_SNAPSHOT)
                result = await work(SqlTransaction(_PostgresStatements(connection)))
                await connection.execute("COMMIT")
                return result

    async def write(self, work: Work[T]) -> T:
        with _translated():
            for number in count(1):
                try:
                    return await self._write_once(work, _TOGETHER if number <= _TRIES_TOGETHER else _ALONE)
                except _CONFLICTS:
                    if number == _TRIES:
                        raise
                await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE_S))  # noqa: S311  only spreads the attempts
        raise AssertionError

    async def is_tenant(self) -> bool:
        """Return whether the database contains a tenant. Do not change the database."""
        with _translated():
            async with self._lent(await self._pool()) as connection:
                return await _version(connection) > 0

    async def close(self) -> None:
        """Close the connections of this event loop.

        If another event loop has used the store, its connections are closed when that event loop ends.
        """
        if found := self._pools.pop(asyncio.get_running_loop(), None):
            await found[1].aclose()

    async def _write_once(self, work: Work[T], begin: str) -> T:
        async with self._borrowed() as connection:
            await connection.execute(begin)
            result = await work(SqlTransaction(_PostgresStatements(connection)))
            if await connection.execute("COMMIT") != "COMMIT":  # after a failed statement, the response is ROLLBACK
                raise StoreUnavailable("the database did not commit a transaction")
            return result

    @contextlib.asynccontextmanager
    async def _borrowed(self) -> AsyncGenerator[_Connection]:
        """Borrow a connection from the pool, after migrating the schema."""
        pool = await self._pool()
        if not self._is_current:
            async with self._lent(pool) as connection:
                await _migrate(connection, self._name)
            self._is_current = True
        async with self._lent(pool) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def _lent(self, pool: _Pool) -> AsyncGenerator[_Connection]:
        """Borrow a connection from the pool. At the end, roll back a transaction that was not committed."""
        try:
            connection = await pool.acquire(timeout=_CONNECT_S)
        except TimeoutError:
            raise StoreUnavailable("the database accepted no connection in time") from None
        except asyncpg.ClientConfigurationError as problem:
            raise Misuse(f"{self._name} cannot be used: {problem.args[0]}") from None
        except ValueError as problem:
            if isinstance(problem, OSError):  # the error for an invalid certificate is an OSError and a ValueError
                raise
            raise Misuse(f"{self._name} cannot be used: it is not a URL of a database") from None
        try:
            yield connection
        except BaseException as problem:
            if isinstance(problem, asyncpg.ReadOnlySQLTransactionError):  # the database server has become a standby
                await pool.expire_connections()
            await _roll_back(connection, is_lost=not isinstance(problem, Exception) or isinstance(problem, OSError))
            raise
        finally:
            await pool.release(connection)

    async def _pool(self) -> _Pool:
        loop = asyncio.get_running_loop()
        if loop not in self._pools:
            self._pools = {one: kept for one, kept in self._pools.items() if not one.is_closed()}
            keeper = _keep_pool(_CREATE_POOL(**self._arguments))
            self._pools[loop] = await anext(keeper), keeper  # never suspends, since no connection is opened
        return self._pools[loop][0]


async def _keep_pool(made: Awaitable[_Pool]) -> AsyncGenerator[_Pool]:
    """Yield a pool of connections, and close the pool when this generator is closed.

    If the store was not closed, the event loop closes this generator when the event loop ends.
    """
    pool = await made
    try:
        yield pool
    finally:
        with contextlib.suppress(TimeoutError, *_FAILURES):
            async with asyncio.timeout(_CONNECT_S):
                await pool.close()
        pool.terminate()


async def _roll_back(connection: _Connection, *, is_lost: bool) -> None:
    if not is_lost and not connection.is_closed():
        try:
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
        except (*_FAILURES, asyncio.CancelledError):
            is_lost = True
    if is_lost:
        connection.terminate()


@contextlib.contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except _FAILURES as problem:
        if isinstance(problem, _MISTAKES) and not isinstance(problem, OSError):
            raise
        raise StoreUnavailable(f"the database cannot be used ({_reason(problem)})") from problem


def _reason(problem: BaseException) -> str:
    if isinstance(problem, asyncpg.PostgresError):
        return f"{getattr(problem, 'sqlstate', '')}: {problem.args[0] if problem.args else type(problem).__name__}"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return type(problem).__name__


@cache
def _numbered(sql: str) -> str:
    """Return a statement with the placeholders $1, $2 and so on in place of each `?`."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, start=1))


async def _version(connection: _Connection) -> int:
    """Return the number of the last migration of the schema; 0 for an empty database."""
    if await connection.fetchval("SELECT to_regclass('keyfob_schema')") is None:
        return 0
    return int(await connection.fetchval("SELECT max(version) FROM keyfob_schema") or 0)


async def _migrate(connection: _Connection, name: str) -> None:
    """Migrate the schema. If the schema is current, run no statement that requires the privilege to change it.

    Raises:
        Misuse: A newer keyfob made the schema, or the database belongs to another program.
    """
    if not missing_steps(await _version(connection)):
        return
    if await connection.fetchval("SHOW server_encoding") != "UTF8":
        raise Misuse(f"{name} is not in UTF-8", hint="CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0")
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"
    await connection.execute(begin)
    # If several nodes start at the same time, one node migrates, and the other nodes wait.
    await connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})", timeout=_MIGRATION_S)
    await connection.execute("CREATE TABLE IF NOT EXISTS keyfob_schema (version BIGINT NOT NULL)")
    for number, statements in missing_steps(await _version(connection)):
        for statement in filter(None, map(in_postgresql, statements)):
            try:
                await connection.execute(statement, timeout=_MIGRATION_S)
            except asyncpg.DuplicateTableError:
                hint = "Use a separate database, or a separate schema: add ?search_path=NAME to the URL."
                raise Misuse(f"{name} contains tables of another program", hint=hint) from None
        await connection.execute("INSERT INTO keyfob_schema (version) VALUES ($1)", number)
    await connection.execute("COMMIT")


async def _make_durable(connection: _Connection) -> None:
    await connection.execute(_DURABLE)


async def _keep_session(_: object) -> None:
    """Do nothing when a connection returns to the pool.

    asyncpg calls this function in place of its own reset of the connection, which would take a round trip.
    """


def _pool_arguments() -> dict[str, Any]:
    return {
        "min_size": 0,
        "timeout": _CONNECT_S,
        "command_timeout": _ANSWER_S,
        "init": _make_durable,
        "reset": _keep_session,
        "max_queries": 1_000_000,
        "statement_cache_size": 256,
        "max_cached_statement_lifetime": 0,
        "server_settings": dict(_SETTINGS),
    }

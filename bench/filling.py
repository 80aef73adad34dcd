"""Fill a store in bulk with valid records: a tenant with the same master key can redeem their codes and tokens."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from keyfob.protocol.scope import Scope
from keyfob.server import rows
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.keyed_hash import RefreshParts, keyed_hash
from keyfob.server.keyring import Keyring
from keyfob.server.records import BrowserSession, DeviceLogin, RefreshLogin, User
from keyfob.testing.example_tenant import STOCK

MASTER = bytes(range(32))
RING = Keyring(bytes(32), bytes(32))
KEYS = RING.keys(datetime.now(UTC))
CLIENT, SCOPE = "bench", Scope.of(["offline_access", "read:stock"])
GENERATION = 7
LOGINS_OF_ONE = 10
# Made once, by argon2-cffi with the parameters of keyfob, of "correct horse battery staple".
HASHED = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43
TABLES = {"users": rows.PERSON, "refresh logins": rows.REFRESH, "pending logins": rows.DEVICE, "sessions": rows.SESSION}


@dataclass(frozen=True)
class Size:
    """The number of records in a store. There are a tenth as many users as refresh logins, with one session each."""

    refreshes: int
    pending: int

    @property
    def users(self) -> int:
        return max(self.refreshes // LOGINS_OF_ONE, 1)


def random_bytes(kind: str, number: int, size: int = 32) -> bytes:
    """Return pseudo-random bytes, which are the same for every store."""
    return hashlib.blake2b(f"{kind} {number}".encode(), digest_size=size).digest()


def refresh_token(number: int) -> str:
    """Return the newest refresh token of a login."""
    parts = RefreshParts(random_bytes("login", number, 16), GENERATION, random_bytes("refresh", number, 20))
    return parts.write(KEYS.refresh).reveal()


def device_code(number: int) -> str:
    return random_bytes("device", number).hex()


def user_id(number: int) -> str:
    return f"auth0|{random_bytes('user', number, 12).hex()}"


def records(table: rows.Table, size: Size, now: datetime) -> Iterator[list]:
    """Yield the rows of a table: copies of one row that the server's code wrote, with other keys."""
    if table is rows.PERSON:
        make = _maker(table, User("", "", "Pat Example", HASHED, now))
        for number in range(size.users):
            yield make(user_id=user_id(number), email=f"pat.example.{number}@example.com")
    if table is rows.REFRESH:
        until, previous = now + timedelta(days=30), (random_bytes("previous", 0),)
        login = RefreshLogin(
            b"", CLIENT, "", STOCK, SCOPE, now, now, until, now + timedelta(days=15), GENERATION, (), previous, now,
            sid="x" * 22,
        )  # fmt: skip
        make = _maker(table, login)
        for number in range(size.refreshes):
            secret = keyed_hash(KEYS.refresh, random_bytes("refresh", number, 20))
            owner, id_ = user_id(number // LOGINS_OF_ONE), random_bytes("login", number, 16)
            yield make(login_id=id_, user_id=owner, current_hashes=secret)
    if table is rows.DEVICE:
        yield from devices(size.pending, now, now + timedelta(hours=3))
    if table is rows.SESSION:
        make = _maker(table, BrowserSession(b"", now, now, "", now))
        for number in range(size.users):
            yield make(session_hash=random_bytes("session", number), user_id=user_id(number))


def devices(count: int, now: datetime, until: datetime, first: int = 0) -> Iterator[list]:
    """Yield rows of pending logins."""
    make = _maker(rows.DEVICE, DeviceLogin(b"", b"", CLIENT, STOCK, SCOPE, "203.0.113.77", now, until))
    for number in range(first, first + count):
        code, user_code = keyed_hash(KEYS.codes, device_code(number)), random_bytes("user code", number)
        yield make(device_code_hash=code, user_code_hash=user_code)


async def fill_sqlite(path: Path, size: Size, now: datetime) -> dict[str, float]:
    """Create a store. Return the bytes of a row in each table, with its indexes."""
    await SqliteStore(path).close()
    taken = {}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1500000"):
            connection.execute(f"PRAGMA {statement}")
        connection.execute(rows.SLOT.add, rows.SLOT.write(RING.slot(MASTER, bytes(12), now)))
        for name, table in TABLES.items():
            before = size_of(connection)
            connection.execute("BEGIN")
            connection.executemany(table.add, records(table, size, now))
            connection.execute("COMMIT")
            taken[name] = (size_of(connection) - before) / connection.execute(_count(table)).fetchone()[0]
    return taken


async def fill_postgres(url: str, size: Size, now: datetime) -> dict[str, float]:
    """Fill a database that has the present schema. Return the bytes of a row in each table, with its indexes."""
    connection = await asyncpg.connect(url)
    taken = {}
    slot = rows.SLOT.write(RING.slot(MASTER, bytes(12), now))
    await connection.copy_records_to_table(rows.SLOT.name, records=[slot], columns=columns(rows.SLOT))
    for name, table in TABLES.items():
        found = records(table, size, now)
        await connection.copy_records_to_table(table.name, records=found, columns=columns(table))
        await connection.execute(f"VACUUM ANALYZE {table.name}")
        used = await connection.fetchval(f"SELECT pg_total_relation_size('{table.name}')")
        taken[name] = used / await connection.fetchval(_count(table))
    await connection.execute("CHECKPOINT")
    await connection.close()
    return taken


def _maker(table: rows.Table, record: object) -> Callable[..., list]:
    """Return a function that creates a row from a record, with the given values in some columns."""
    row, places = list(table.write(record)), {name: at for at, name in enumerate(columns(table))}

    def make(**changed: object) -> list:
        made = row.copy()
        for name, value in changed.items():
            made[places[name]] = value
        return made

    return make


def columns(table: rows.Table) -> list[str]:
    return table.select.removeprefix("SELECT ").partition(" FROM")[0].split(", ")


def _count(table: rows.Table) -> str:
    return f"SELECT count(*) FROM {table.name}"


def size_of(connection: sqlite3.Connection) -> int:
    (count,), (size,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    return count * size

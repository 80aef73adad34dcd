"""Open the store of a tenant: a file in its folder, or a PostgreSQL database that many nodes share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyfob.errors import Misuse
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.ports import Store

if TYPE_CHECKING:
    from keyfob.server.io.postgresql import PostgresStore

DATABASE: Final = "tenant.sqlite3"


def open_store(folder: Path, database: str = "") -> Store:
    """Open the store of a tenant.

    Args:
        folder: The tenant's folder.
        database: The URL of a PostgreSQL database; "" for a file in the folder.

    Raises:
        Misuse: The file or the URL cannot be used, or asyncpg is missing.
    """
    return _postgres(database) if database else SqliteStore(folder / DATABASE)


def is_tenant(folder: Path, database: str = "") -> bool:
    """Return whether the folder or the database contains a tenant."""
    if not database:
        return (folder / DATABASE).is_file()
    return asyncio.run(_has_schema(_postgres(database)))


def _postgres(url: str) -> PostgresStore:
    try:
        from keyfob.server.io.postgresql import PostgresStore  # noqa: PLC0415  asyncpg is an extra
    except ModuleNotFoundError as problem:
        if problem.name != "asyncpg":
            raise
        raise Misuse(
            "PostgreSQL needs asyncpg", hint="Run: pip install 'keyfob[postgresql]'", code="extra-missing"
        ) from None
    return PostgresStore(url)


async def _has_schema(store: PostgresStore) -> bool:
    try:
        return await store.is_tenant()
    finally:
        await store.close()

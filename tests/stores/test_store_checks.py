"""One contract for every store, and what SQLite owes beyond it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from keyfob.errors import Misuse, StoreUnavailable
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.ports import Store
from keyfob.testing.example_records import KEY, LOGIN
from keyfob.testing.store_checks import CHECKS, Check


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    return SqliteStore if request.param == "memory" else lambda: SqliteStore(tmp_path / "store.sqlite3")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_store_keeps_the_contract(open_store: Callable[[], Store], check: Check) -> None:
    """[AS-8628-05]."""

    async def run() -> None:
        store = open_store()
        try:
            await check(store)
        finally:
            await store.close()

    asyncio.run(run())


def with_sqlite(path: Path, work: Callable[[SqliteStore], object]) -> object:
    async def run() -> object:
        store = SqliteStore(path)
        try:
            return await work(store)  # type: ignore[misc]
        finally:
            await store.close()

    return asyncio.run(run())


def test_a_database_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    with_sqlite(path, lambda store: store.write(lambda transaction: transaction.add_device(LOGIN)))
    with_sqlite(path, lambda store: store.write(lambda transaction: transaction.add_key(KEY)))
    read = with_sqlite(
        path, lambda store: store.read(lambda transaction: transaction.device_by_code(b"device code hash"))
    )
    assert read == LOGIN


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_database_is_private_from_the_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    before = os.umask(0)
    try:
        with_sqlite(path, lambda store: store.write(lambda transaction: transaction.add_device(LOGIN)))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()} == {0o600}


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    with_sqlite(path, lambda store: store.read(lambda transaction: transaction.signing_keys()))
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Misuse) as refused:
        SqliteStore(path)
    assert refused.value.code == "store-newer"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.write_bytes(b"no database at all, but long enough to look like one" * 100)
    with pytest.raises(Misuse):
        SqliteStore(path)


def test_two_processes_may_open_one_file(tmp_path: Path) -> None:
    async def run() -> list[bool]:
        one, two = SqliteStore(tmp_path / "store.sqlite3"), SqliteStore(tmp_path / "store.sqlite3")
        both = await asyncio.gather(
            *(store.write(lambda transaction: transaction.add_device(LOGIN)) for store in (one, two) * 5)
        )
        await one.close()
        await two.close()
        return both

    assert sum(asyncio.run(run())) == 1


def test_a_database_that_fails_tells_everybody_who_waits(tmp_path: Path) -> None:
    async def run() -> list[object]:
        store = SqliteStore(tmp_path / "store.sqlite3")
        store._writer.close()
        works = (store.write(lambda transaction: transaction.add_device(LOGIN)) for _ in range(5))
        outcomes = await asyncio.wait_for(asyncio.gather(*works, return_exceptions=True), 10)
        await store.close()
        return outcomes

    assert all(isinstance(outcome, StoreUnavailable) for outcome in asyncio.run(run()))

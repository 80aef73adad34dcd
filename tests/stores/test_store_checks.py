"""One contract for every store, and what SQLite owes beyond it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sqlite3
import stat
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from keyfob.errors import Misuse, StoreUnavailable
from keyfob.server.io.migrations import missing_steps
from keyfob.server.io.postgresql import PostgresStore
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.ports import Store, Transaction
from keyfob.server.rows import DEVICE
from keyfob.testing.example_records import KEY, LOGIN
from keyfob.testing.store_checks import CHECKS, Check


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
        return lambda: PostgresStore(url)
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


def test_a_device_login_outlives_the_move_of_its_table(tmp_path: Path) -> None:
    """Migration 13 copies the table; each column keeps its value."""
    path = tmp_path / "store.sqlite3"
    login = replace(
        LOGIN, session_hash=b"session", user_id="auth0|1", auth_time=LOGIN.created_at, sid="sid", challenge="challenge",
        device_name="laptop", device_system="Linux", nearness="same", number_hash=b"number", number_tries=2,
        login_id=b"login",
    )  # fmt: skip
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as older:
        for _, statements in missing_steps(0)[:12]:
            for statement in statements:
                older.execute(statement)
        older.execute("PRAGMA user_version = 12")
        older.execute(DEVICE.add, DEVICE.write(login))

    code_hash, user_code_hash = login.device_code_hash, login.user_code_hash
    assert with_sqlite(path, lambda store: store.read(lambda one: one.device_by_code(code_hash))) == login
    assert with_sqlite(path, lambda store: store.read(lambda one: one.device_by_user_code(user_code_hash))) == login
    other = replace(login, device_code_hash=b"another code")
    assert with_sqlite(path, lambda store: store.write(lambda one: one.add_device(other))) is False


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


@contextlib.contextmanager
def locked_by_another(path: Path) -> Generator[sqlite3.Connection]:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with contextlib.closing(other):
        yield other


def test_a_lock_that_another_process_holds_is_not_waited_for_on_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"

    async def run() -> None:
        store = SqliteStore(path)
        with locked_by_another(path) as other:
            writes = [asyncio.ensure_future(store.write(partial(_add, number=number))) for number in range(3)]
            for _ in range(100):  # the loop turns, and reads go on
                await asyncio.sleep(0)
                assert await store.read(lambda transaction: transaction.signing_keys()) == ()
            assert not any(write.done() for write in writes)
            other.execute("ROLLBACK")
        assert await asyncio.gather(*writes) == [True] * 3
        await store.close()

    asyncio.run(run())


def test_a_loop_that_ends_while_it_waits_leaves_the_turn_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = SqliteStore(path)
    with locked_by_another(path) as other:
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(store.write(partial(_add, number=1)), 0.01))
        other.execute("ROLLBACK")
    assert asyncio.run(store.write(partial(_add, number=2)))
    found = asyncio.run(store.read(lambda transaction: transaction.device_by_code(b"\x01")))
    assert found is None, "its caller was told that it has not happened"
    asyncio.run(store.close())


def test_loops_of_many_threads_share_a_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.sqlite3")

    async def add_some(first: int) -> list[bool]:
        return await asyncio.gather(*(store.write(partial(_add, number=first + number)) for number in range(20)))

    with ThreadPoolExecutor(4) as threads:
        added = list(threads.map(lambda part: asyncio.run(add_some(part * 20)), range(8)))
    assert added == [[True] * 20] * 8
    asyncio.run(store.close())


def test_what_is_under_way_is_committed_before_the_store_closes(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"

    async def run() -> None:
        store = SqliteStore(path)
        write = asyncio.ensure_future(store.write(partial(_add, number=1)))
        await asyncio.sleep(0)
        await store.close()
        assert await write

    asyncio.run(run())
    assert with_sqlite(path, lambda store: store.read(lambda transaction: transaction.device_by_code(b"\x01")))


async def _add(transaction: Transaction, number: int) -> bool:
    name = bytes([number])
    return await transaction.add_device(replace(LOGIN, device_code_hash=name, user_code_hash=name))


def stopped_and_resumed(path: Path, stop: str, resume: str) -> tuple[object, bool]:
    """Write while the database refuses it, and again when it does not."""

    async def run() -> tuple[object, bool]:
        store = SqliteStore(path)
        store._writer.execute(stop)
        many = [store.write(partial(_add, number=number)) for number in range(200)]
        outcomes = await asyncio.gather(*many, return_exceptions=True)
        failed = next((outcome for outcome in outcomes if outcome is not True), None)
        store._writer.execute(resume)
        again = await store.write(partial(_add, number=255))
        await store.close()
        return failed, again

    return asyncio.run(asyncio.wait_for(run(), 20))


def test_a_full_disk_is_told_and_does_not_last(tmp_path: Path) -> None:
    failed, again = stopped_and_resumed(
        tmp_path / "store.sqlite3", "PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000"
    )
    assert isinstance(failed, StoreUnavailable)
    assert "full" in str(failed)
    assert again


def test_a_file_system_that_turns_read_only_is_told_and_does_not_last(tmp_path: Path) -> None:
    failed, again = stopped_and_resumed(tmp_path / "store.sqlite3", "PRAGMA query_only = ON", "PRAGMA query_only = OFF")
    assert isinstance(failed, StoreUnavailable)
    assert "readonly" in str(failed)
    assert again


def test_a_lock_that_is_held_for_long_is_told_and_does_not_last(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"

    async def run() -> object:
        store = SqliteStore(path)
        with locked_by_another(path) as other:
            outcome = (await asyncio.gather(store.write(partial(_add, number=1)), return_exceptions=True))[0]
            other.execute("ROLLBACK")
        assert await store.write(partial(_add, number=1))
        await store.close()
        return outcome

    assert isinstance(asyncio.run(asyncio.wait_for(run(), 30)), StoreUnavailable)


def test_a_file_that_is_locked_at_the_start_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    asyncio.run(SqliteStore(path).close())
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable):
            SqliteStore(path)


def test_a_store_in_memory_that_is_dropped_closes_its_database() -> None:
    """From 3.13 on, Python warns of one that is not closed."""
    store = SqliteStore()
    database = store._writer
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")

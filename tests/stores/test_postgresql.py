"""What PostgreSQL owes beyond the contract of every store: conflicts, failures, and migrations of many nodes."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
import pytest

from keyfob.errors import Misuse, StoreUnavailable
from keyfob.server.audit_event import write_event
from keyfob.server.decide.device import Issue, decide_poll
from keyfob.server.io.postgresql import PostgresStore
from keyfob.server.ports import Transaction
from keyfob.server.records import Tries
from keyfob.testing.example_records import CODE, LOGIN, REFRESH, TRIES, USER
from keyfob.testing.fake_time import NOON
from tests.postgres import Postgres, running

T = TypeVar("T")
TRIED = TRIES.tries_key
DISK_FULL = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$
"""
SLOW_COMMIT = """
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$
"""
AT_COMMIT = """
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON tries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait()
"""


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.fixture
def own_server() -> Iterator[Postgres]:
    """Start a server that a test may stop."""
    with running() as server:
        yield server


@asynccontextmanager
async def opened(url: str, *, connections: int = 10) -> AsyncGenerator[PostgresStore]:
    store = PostgresStore(url, connections=connections)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def administrator(url: str) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def count_one(transaction: Transaction) -> None:
    known = await transaction.tries(TRIED) or replace(TRIES, count=0)
    await transaction.save_tries(replace(known, count=known.count + 1))


async def counted(store: PostgresStore) -> Tries | None:
    return await store.read(lambda transaction: transaction.tries(TRIED))


async def end_others(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyfob'")


def test_a_transaction_that_conflicts_runs_again(url: str) -> None:
    """A budget counts from an absent row, so nothing is there to be locked. The other change must not be lost."""
    runs = 0

    async def run() -> Tries | None:
        async with opened(url) as one, opened(url) as two:

            async def count_late(transaction: Transaction) -> None:
                nonlocal runs
                runs += 1
                known = await transaction.tries(TRIED) or replace(TRIES, count=0)
                if runs == 1:
                    await two.write(count_one)
                await transaction.save_tries(replace(known, count=known.count + 1))

            await one.write(count_late)
            return await counted(one)

    assert asyncio.run(run()) == replace(TRIES, count=2)
    assert runs == 2


def test_wrong_passwords_at_two_nodes_are_all_counted(url: str) -> None:
    async def run() -> Tries | None:
        async with opened(url) as one, opened(url) as two:
            await asyncio.gather(*(store.write(count_one) for store in (one, two) * 20))
            return await counted(one)

    assert asyncio.run(run()) == replace(TRIES, count=40)


def test_twenty_polls_at_two_nodes_give_one_token(url: str) -> None:
    async def redeem(transaction: Transaction) -> bool:
        decision = decide_poll(await transaction.device_by_code(CODE), "program", NOON)
        if not isinstance(decision, Issue):
            return False
        await transaction.save_device(decision.login)
        return True

    async def run() -> int:
        async with opened(url) as one, opened(url) as two:
            approved = replace(LOGIN, stage="approved", user_id="auth0|1", auth_time=NOON)
            await one.write(lambda transaction: transaction.add_device(approved))
            return sum(await asyncio.gather(*(store.write(redeem) for store in (one, two) * 10)))

    assert asyncio.run(run()) == 1


def test_logins_at_two_nodes_do_not_exceed_their_number(url: str) -> None:
    """Rows that another transaction adds are phantoms to the one that counts."""

    async def log_in(transaction: Transaction, number: int) -> None:
        await transaction.save_refresh(replace(REFRESH, login_id=bytes([number])))
        await transaction.evict_refreshes(REFRESH.user_id, REFRESH.client_id, 3)

    async def alive(transaction: Transaction) -> int:
        logins = [await transaction.refresh_by_id(bytes([number])) for number in range(20)]
        return sum(login is not None and not login.has_ended for login in logins)

    async def run() -> int:
        async with opened(url) as one, opened(url) as two:
            stores = enumerate((one, two) * 10)
            await asyncio.gather(*(store.write(lambda t, number=number: log_in(t, number)) for number, store in stores))  # type: ignore[misc]
            return await one.read(alive)

    assert asyncio.run(run()) == 3


def test_one_of_two_nodes_adds_a_user_with_an_address(url: str) -> None:
    async def add(transaction: Transaction, user_id: str) -> bool:
        if await transaction.user_by_email(USER.email) is not None:
            return False
        await transaction.save_user(replace(USER, user_id=user_id))
        return True

    async def run() -> int:
        async with opened(url) as one, opened(url) as two:
            stores = enumerate((one, two) * 5)
            return sum(await asyncio.gather(*(store.write(lambda t, i=i: add(t, f"auth0|{i}")) for i, store in stores)))  # type: ignore[misc]

    assert asyncio.run(run()) == 1


def test_nodes_that_write_the_audit_log_wait_for_each_other(url: str) -> None:
    """[FS-18] Without the lock each runs two or three times, and a log that all nodes write holds up the logins.

    PostgreSQL gives the lock back a moment before it forgets what a transaction has read: one in hundreds runs again.
    """
    runs = 0

    async def log(transaction: Transaction) -> None:
        nonlocal runs
        runs += 1
        await transaction.log_events([write_event("s", NOON, str(runs), {})] * 3)

    async def run() -> list[int]:
        async with opened(url) as one, opened(url) as two:
            await asyncio.gather(*(store.write(log) for store in (one, two) * 20))
            return [event.number for event in await one.read(lambda transaction: transaction.logged_events(0, 1000))]

    assert asyncio.run(run()) == list(range(1, 121))
    assert 40 <= runs <= 44


def test_a_change_with_its_event_runs_again_if_another_event_came_between(url: str) -> None:
    """[FS-18] As of a command: its snapshot is older than the lock of the log."""
    runs = 0

    async def run() -> list[str]:
        async with opened(url) as one, opened(url) as two:

            async def change(transaction: Transaction) -> None:
                nonlocal runs
                runs += 1
                await count_one(transaction)
                if runs == 1:
                    await two.write(lambda other: other.log_events([write_event("s", NOON, "node", {})]))
                await transaction.log_events([write_event("s", NOON, "command", {})])

            await one.write(change)
            found = await one.read(lambda transaction: transaction.logged_events(0, 10))
            return [json.loads(event.event)["log_id"] for event in found]

    assert asyncio.run(run()) == ["node", "command"]
    assert runs == 2


def test_a_function_that_reads_twice_sees_one_snapshot(url: str) -> None:
    async def run() -> list[Tries | None]:
        async with opened(url) as one, opened(url) as two:
            has_counted = False

            async def look_twice(transaction: Transaction) -> list[Tries | None]:
                nonlocal has_counted
                await transaction.tries(b"other")
                before = await transaction.tries(TRIED)
                if not has_counted:
                    has_counted = True
                    await two.write(count_one)
                return [before, await transaction.tries(TRIED)]

            return await one.read(look_twice)

    assert asyncio.run(run()) == [None, None]


def outcome_and_next(
    url: str, disturb: Callable[[asyncpg.Connection], Awaitable[object]]
) -> tuple[object, Tries | None]:
    """Disturb a transaction between its query and its change. Return how it ended, and the count after another."""

    async def run() -> tuple[object, Tries | None]:
        async with opened(url) as store, administrator(url) as connection:

            async def work(transaction: Transaction) -> None:
                await transaction.tries(TRIED)
                await disturb(connection)
                await count_one(transaction)

            outcome = (await asyncio.gather(store.write(work), return_exceptions=True))[0]
            await store.write(count_one)
            return outcome, await counted(store)

    return asyncio.run(run())


def test_a_connection_that_is_cut_in_a_transaction_leaves_nothing(url: str) -> None:
    outcome, after = outcome_and_next(url, end_others)
    assert isinstance(outcome, StoreUnavailable)
    assert after == replace(TRIES, count=1)


def test_a_lock_of_another_program_holds_nobody_up_for_long(url: str) -> None:
    async def run() -> object:
        async with opened(url) as store, administrator(url) as connection:
            await store.write(count_one)
            async with connection.transaction():
                await connection.execute("LOCK TABLE tries IN EXCLUSIVE MODE")
                outcome = (await asyncio.gather(store.write(count_one), return_exceptions=True))[0]
            await store.write(count_one)
            assert await counted(store) == replace(TRIES, count=2)
            return outcome

    outcome = asyncio.run(asyncio.wait_for(run(), 20))
    assert isinstance(outcome, StoreUnavailable)
    assert "55P03" in str(outcome)


def test_a_connection_that_is_cut_in_a_commit_is_no_success(url: str) -> None:
    async def run() -> object:
        async with opened(url) as store, administrator(url) as connection:
            await store.read(lambda transaction: transaction.users())
            for statement in (SLOW_COMMIT, AT_COMMIT):
                await connection.execute(statement)
            writing = asyncio.ensure_future(store.write(count_one))
            commits = "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"
            while not await connection.fetchval(commits):
                assert not writing.done()
            await end_others(connection)
            outcome = (await asyncio.gather(writing, return_exceptions=True))[0]
            await connection.execute("DROP TRIGGER late ON tries")
            assert await counted(store) is None
            await store.write(count_one)
            return outcome

    assert isinstance(asyncio.run(asyncio.wait_for(run(), 20)), StoreUnavailable)


def test_a_full_disk_is_told_and_does_not_last(url: str) -> None:
    async def run() -> object:
        async with opened(url) as store, administrator(url) as connection:
            await store.read(lambda transaction: transaction.users())
            await connection.execute(DISK_FULL)
            await connection.execute("CREATE TRIGGER disk BEFORE INSERT ON tries EXECUTE FUNCTION fail()")
            outcome = (await asyncio.gather(store.write(count_one), return_exceptions=True))[0]
            await connection.execute("DROP TRIGGER disk ON tries")
            await store.write(count_one)
            return outcome

    outcome = asyncio.run(run())
    assert isinstance(outcome, StoreUnavailable)
    assert "53100" in str(outcome)


def test_a_server_that_has_become_a_standby_is_left(url: str, postgres: Postgres) -> None:
    """The next transaction connects anew, and so finds the primary server of a URL with several."""
    name = urlsplit(url).path[1:]
    alter = f"ALTER DATABASE {name} SET default_transaction_read_only = "

    async def run() -> object:
        async with opened(url) as store, administrator(postgres.url("postgres")) as connection:
            await connection.execute(f"{alter} on")
            outcome = (await asyncio.gather(store.write(count_one), return_exceptions=True))[0]
            await connection.execute(f"{alter} off")
            await store.write(count_one)
            return outcome

    outcome = asyncio.run(run())
    assert isinstance(outcome, StoreUnavailable)
    assert "25006" in str(outcome)


def test_a_store_without_a_free_connection_refuses_soon(url: str) -> None:
    async def run() -> object:
        async with opened(url, connections=1) as store:
            holds, ends = asyncio.Event(), asyncio.Event()

            async def hold(transaction: Transaction) -> None:
                await transaction.tries(TRIED)
                holds.set()
                await ends.wait()

            holding = asyncio.ensure_future(store.write(hold))
            await holds.wait()
            outcome = (await asyncio.gather(store.write(count_one), return_exceptions=True))[0]
            ends.set()
            await holding
            await store.write(count_one)
            return outcome

    assert isinstance(asyncio.run(asyncio.wait_for(run(), 20)), StoreUnavailable)


def test_a_server_without_a_free_connection_is_unavailable(postgres: Postgres) -> None:
    """A role that may only read and write uses a schema that its owner migrated."""
    url = postgres.new_database()
    postgres.sql(
        url,
        "CREATE ROLE node LOGIN CONNECTION LIMIT 1",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO node",
    )
    as_node = url.replace("keyfob@", "node@")

    async def run() -> object:
        async with opened(as_node) as one, opened(as_node) as two:
            await one.write(count_one)
            outcome = (await asyncio.gather(two.write(count_one), return_exceptions=True))[0]
            await one.close()
            while True:
                try:
                    await two.write(count_one)
                except StoreUnavailable:  # the server has not noticed the end of the first connection
                    continue
                return outcome

    outcome = asyncio.run(asyncio.wait_for(run(), 20))
    assert isinstance(outcome, StoreUnavailable)
    assert "53300" in str(outcome)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "crash"])
def test_a_store_goes_on_when_its_server_is_back(own_server: Postgres, how: signal.Signals) -> None:
    url = own_server.new_database()

    async def run() -> list[object]:
        async with opened(url) as store:
            await store.write(count_one)
            await asyncio.to_thread(own_server.stop, how)
            gone = await asyncio.gather(store.write(count_one), counted(store), return_exceptions=True)
            await asyncio.to_thread(own_server.start)
            await store.write(count_one)
            return [*gone, await counted(store)]

    write, read, after = asyncio.run(run())
    assert isinstance(write, StoreUnavailable)
    assert isinstance(read, StoreUnavailable)
    assert after == replace(TRIES, count=2)


def test_nodes_that_start_at_once_migrate_once(postgres: Postgres) -> None:
    url = postgres.new_database(is_empty=True)

    async def run() -> bool:
        async with opened(url) as one, opened(url) as two:
            assert not await one.is_tenant()
            await asyncio.gather(*(store.write(count_one) for store in (one, two) * 4))
            assert await counted(two) == replace(TRIES, count=8)
            return await one.is_tenant()

    assert asyncio.run(run())
    steps = postgres.sql(url, "SELECT version FROM keyfob_schema")
    assert [number for (number,) in steps] == list(range(1, len(steps) + 1))


def refusal(url: str) -> Misuse:
    async def run() -> None:
        async with opened(url) as store:
            await store.write(count_one)

    with pytest.raises(Misuse) as refused:
        asyncio.run(run())
    return refused.value


def test_a_newer_schema_is_refused_and_left_alone(url: str, postgres: Postgres) -> None:
    postgres.sql(url, "INSERT INTO keyfob_schema (version) VALUES (99)")
    assert refusal(url).code == "store-newer"


def test_tables_of_another_program_are_left_alone(postgres: Postgres) -> None:
    url = postgres.new_database(is_empty=True)
    postgres.sql(url, "CREATE TABLE person (name TEXT)")
    assert "another program" in refusal(url).message
    assert postgres.sql(url, "SELECT to_regclass('keyfob_schema')") == [(None,)]


def test_a_tenant_may_have_a_schema_of_its_own(postgres: Postgres) -> None:
    url = postgres.new_database(is_empty=True)
    postgres.sql(url, "CREATE SCHEMA one", "CREATE SCHEMA two")

    async def run() -> Tries | None:
        async with opened(f"{url}&search_path=one") as one, opened(f"{url}&search_path=two") as two:
            await one.write(count_one)
            return await counted(two)

    assert asyncio.run(run()) is None


def test_one_store_serves_several_event_loops(url: str) -> None:
    store = PostgresStore(url)
    for _ in range(3):
        asyncio.run(store.write(count_one))
    assert asyncio.run(counted(store)) == replace(TRIES, count=3)

"""Device logins in memory: they and the database never disagree for longer than is said."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from keyfob.server.decide.limits import CACHED_DEVICES, DEVICE_STALENESS
from keyfob.server.io.device_cache import DeviceCache
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.ports import Transaction, Work
from keyfob.server.records import DeviceLogin, Stage
from keyfob.testing.example_records import LOGIN
from keyfob.testing.example_tenant import example_config
from keyfob.testing.scene import ISSUER, Scene
from tests.server.wires import device_codes, told
from tests.server.wires import poll as device_poll

T = TypeVar("T")
STALENESS_MS = DEVICE_STALENESS // timedelta(milliseconds=1)
NAMES = [bytes([number]) * 32 for number in range(3)]
STAGES: list[Stage] = ["waiting", "confirmed", "approved", "denied", "redeemed", "lapsed"]


def named(name: bytes, stage: Stage = "waiting") -> DeviceLogin:
    user_id = "auth0|1" if stage in {"approved", "redeemed"} else None
    return replace(LOGIN, device_code_hash=name, user_code_hash=name, stage=stage, user_id=user_id)


async def poll(transaction: Transaction, name: bytes = NAMES[0]) -> DeviceLogin | None:
    return await transaction.polled_device(name)


async def save(transaction: Transaction, login: DeviceLogin) -> None:
    await transaction.save_device(login)


async def save_and_fail(transaction: Transaction, login: DeviceLogin) -> None:
    await transaction.save_device(login)
    raise LookupError


@dataclass(frozen=True)
class Change:
    """What a store made of a login, and when."""

    login: DeviceLogin | None
    at_ms: int
    by: int


class Processes(RuleBasedStateMachine):
    """Two processes change and poll the logins of one file; each has a cache of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now_ms = 0
        self.polls_often = True
        path = Path(self.folder.name) / "store.sqlite3"
        self.stores = [SqliteStore(path, clock=lambda: self.now_ms / 1000) for _ in range(2)]
        self.loop = asyncio.new_event_loop()
        self.changes: dict[bytes, list[Change]] = defaultdict(lambda: [Change(None, -1000, 0)])

    def teardown(self) -> None:
        for store in self.stores:
            self.loop.run_until_complete(store.close())
        self.loop.close()
        self.folder.cleanup()

    def write(self, by: int, work: Work[T]) -> T:
        return self.loop.run_until_complete(self.stores[by].write(work))

    def read(self, by: int, work: Work[T]) -> T:
        return self.loop.run_until_complete(self.stores[by].read(work))

    def allowed(self, by: int, name: bytes) -> list[DeviceLogin | None]:
        """Return what a process may be told: the present state, or one that another process changed a moment ago."""
        newest, *older = reversed(self.changes[name])
        found = [newest.login]
        later = newest
        for change in older:
            if later.by == by or self.now_ms - later.at_ms > STALENESS_MS:
                break
            found.append(change.login)
            later = change
        return found

    @rule(by=st.sampled_from([0, 1]), name=st.sampled_from(NAMES), stage=st.sampled_from(STAGES))
    def change(self, by: int, name: bytes, stage: Stage) -> None:
        self.write(by, partial(save, login=named(name, stage)))
        self.changes[name].append(Change(named(name, stage), self.now_ms, by))

    @rule(by=st.sampled_from([0, 1]), name=st.sampled_from(NAMES))
    def fail_to_change(self, by: int, name: bytes) -> None:
        with pytest.raises(LookupError):
            self.write(by, partial(save_and_fail, login=named(name, "denied")))

    @rule(by=st.sampled_from([0, 1]), name=st.sampled_from(NAMES), stage=st.sampled_from(STAGES))
    def change_while_it_is_polled(self, by: int, name: bytes, stage: Stage) -> None:
        """A poll beside a transaction is told the old state until it is told the new one."""
        changed = named(name, stage)

        async def both() -> None:
            writing = asyncio.ensure_future(self.stores[by].write(partial(save, login=changed)))
            is_seen = False
            while not writing.done():
                found = await self.stores[by].read(partial(poll, name=name))
                assert found == changed if is_seen else found in {changed, *self.allowed(by, name)}
                is_seen = is_seen or found not in self.allowed(by, name)
                await asyncio.sleep(0)

        self.loop.run_until_complete(both())
        self.changes[name].append(Change(changed, self.now_ms, by))

    @rule(by=st.sampled_from([0, 1]))
    def end_logins(self, by: int) -> None:
        self.write(by, lambda transaction: transaction.end_logins(None))
        for name in NAMES:
            login = self.changes[name][-1].login
            if login is not None and login.stage == "approved":
                self.changes[name].append(Change(replace(login, stage="lapsed"), self.now_ms, by))

    @rule(by=st.sampled_from([0, 1]))
    def sweep(self, by: int) -> None:
        late = LOGIN.expires_at + timedelta(days=1)
        self.write(by, lambda transaction: transaction.sweep(late, 100))
        for name in NAMES:
            if self.changes[name][-1].login is not None:
                self.changes[name].append(Change(None, self.now_ms, by))

    @rule(by=st.sampled_from([0, 1]), name=st.sampled_from(NAMES))
    def poll_one(self, by: int, name: bytes) -> None:
        self.poll_it(by, name)

    def poll_it(self, by: int, name: bytes) -> None:
        found = self.read(by, partial(poll, name=name))
        assert found in self.allowed(by, name)
        if found != self.changes[name][-1].login:
            assert found is not None
            assert found.stage in {"waiting", "confirmed"}, "only what waits is ever old"

    @rule()
    def poll_more_or_less_often(self) -> None:
        self.polls_often = not self.polls_often

    @rule(milliseconds=st.sampled_from([1, 20, STALENESS_MS - 1, STALENESS_MS + 1]))
    def pass_time(self, milliseconds: int) -> None:
        self.now_ms += milliseconds

    @invariant()
    def what_is_not_a_poll_is_never_old(self) -> None:
        for by in (0, 1):
            for name in NAMES:
                found = self.read(by, lambda transaction, name=name: transaction.device_by_code(name))  # type: ignore[misc]
                assert found == self.changes[name][-1].login

    @invariant()
    def polls_are_never_older_than_is_said(self) -> None:
        if self.polls_often:
            for by in (0, 1):
                for name in NAMES:
                    self.poll_it(by, name)


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


def statements_of(connection: sqlite3.Connection, work: Callable[[], object]) -> list[str]:
    found: list[str] = []
    connection.set_trace_callback(found.append)
    work()
    connection.set_trace_callback(None)
    return found


def test_a_login_that_waits_is_read_once(path: Path) -> None:
    """[AS-8628-05]: a poll writes nothing, and only the first reads the database."""
    store = SqliteStore(path, clock=lambda: 0.0)
    asyncio.run(store.write(partial(save, login=named(NAMES[0]))))

    def poll_once() -> None:
        assert asyncio.run(store.read(poll)) == named(NAMES[0])

    poll_once()
    both = [statements_of(one, poll_once) for one in (store._reader, store._writer)]
    assert both == [[], []]
    asyncio.run(store.close())


def test_a_login_that_is_decided_is_read_from_the_database_each_time(path: Path) -> None:
    store = SqliteStore(path, clock=lambda: 0.0)
    asyncio.run(store.write(partial(save, login=named(NAMES[0], "approved"))))
    for _ in range(3):
        assert [word[:6] for word in statements_of(store._reader, lambda: asyncio.run(store.read(poll)))] == [
            "BEGIN", "SELECT", "ROLLBA",
        ]  # fmt: skip
    asyncio.run(store.close())


def test_what_another_process_changes_is_told_in_the_stated_time(path: Path) -> None:
    """One millisecond earlier the process may not have looked yet."""
    now_ms = 0
    store, other = SqliteStore(path, clock=lambda: now_ms / 1000), SqliteStore(path)

    def poll_once() -> Stage:
        found = asyncio.run(store.read(poll))
        assert found is not None
        return found.stage

    asyncio.run(other.write(partial(save, login=named(NAMES[0]))))
    assert poll_once() == "waiting"
    asyncio.run(other.write(partial(save, login=named(NAMES[0], "approved"))))
    now_ms = STALENESS_MS - 1
    assert poll_once() == "waiting"
    now_ms = STALENESS_MS + 1
    assert poll_once() == "approved"
    for one in (store, other):
        asyncio.run(one.close())


def test_while_another_process_holds_the_lock_polls_read_the_database(path: Path) -> None:
    """The version cannot be looked at then, as the thread that waits for the lock has the connection."""
    now = 0.0
    store = SqliteStore(path, clock=lambda: now)
    other = SqliteStore(path)

    async def run() -> None:
        nonlocal now
        await other.write(partial(save, login=named(NAMES[0])))
        assert await store.read(poll) == named(NAMES[0])
        other._writer.execute("BEGIN IMMEDIATE")
        writing = asyncio.ensure_future(store.write(partial(save, login=named(NAMES[1]))))
        for _ in range(20):
            await asyncio.sleep(0)
        other._writer.execute("UPDATE device_login SET stage = 'denied'")
        now = DEVICE_STALENESS.total_seconds()
        assert await store.read(poll) == named(NAMES[0])
        assert not writing.done()
        other._writer.execute("COMMIT")
        assert await store.read(poll) == named(NAMES[0], "denied")
        await writing
        await store.close()
        await other.close()

    asyncio.run(run())


def test_a_snapshot_that_is_older_than_a_change_is_not_kept() -> None:
    """Neither if the change is made meanwhile, nor if it is committed only later."""
    cache, login = DeviceCache(), named(NAMES[0])
    cache.validate(1, 0.0)
    before = cache.changes
    cache.change(login.device_code_hash)
    cache.keep(login, before)
    assert cache.find(login.device_code_hash, 0.0) is None
    cache.settle()
    cache.keep(login, before)
    assert cache.find(login.device_code_hash, 0.0) is None
    before = cache.changes
    cache.validate(2, 0.0)
    cache.keep(login, before)
    assert cache.find(login.device_code_hash, 0.0) is None
    cache.keep(login, cache.changes)
    assert cache.find(login.device_code_hash, 0.0) == login


def test_the_number_of_logins_in_memory_is_limited() -> None:
    """[FS-04] The oldest is dropped, and read again."""
    cache = DeviceCache()
    cache.validate(1, 0.0)
    names = [number.to_bytes(32, "big") for number in range(CACHED_DEVICES + 2)]
    for name in names:
        cache.keep(named(name), cache.changes)
    kept = [name for name in names if cache.find(name, 0.0) is not None]
    assert kept == names[2:]
    cache.sweep(LOGIN.expires_at)
    assert not any(cache.find(name, 0.0) for name in names)


def test_polls_of_two_threads_beside_changes_end_with_the_last_state(path: Path) -> None:
    store = SqliteStore(path)
    stages: list[Stage] = ["waiting", "confirmed"] * 40 + ["approved"]

    def poll_until_approved() -> None:
        async def run() -> None:
            while (found := await store.read(poll)) is None or found.stage != "approved":
                pass

        asyncio.run(run())

    async def change() -> None:
        for stage in stages:
            await store.write(partial(save, login=named(NAMES[0], stage)))
            found = await store.read(poll)
            assert found is not None
            assert found.stage == stage, "a process sees its own change at once"

    threads = [Thread(target=poll_until_approved, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    asyncio.run(change())
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    asyncio.run(store.close())


def test_a_login_that_another_process_has_redeemed_is_not_written_over(path: Path) -> None:
    """What a poll decides about an old record is decided again in the transaction that saves it."""
    store, other = SqliteStore(path, clock=lambda: 0.0), SqliteStore(path)
    scene = Scene(example_config(ISSUER), store)
    code = device_codes(scene)["device_code"]
    scene.time.go(scene.config.device_lifetime - timedelta(milliseconds=500))
    assert told(device_poll(scene, code))[1] == "authorization_pending"
    code_hash = other._reader.execute("SELECT device_code_hash FROM device_login").fetchone()[0]

    async def redeem(transaction: Transaction) -> None:
        login = await transaction.device_by_code(code_hash)
        assert login is not None
        await transaction.save_device(replace(login, stage="redeemed", user_id="auth0|1"))

    asyncio.run(other.write(redeem))
    scene.time.go(timedelta(milliseconds=500))  # and no sweep is due, with which the process would look at the database
    assert told(device_poll(scene, code))[1] == "expired_token"
    found = asyncio.run(other.read(lambda transaction: transaction.device_by_code(code_hash)))
    assert found is not None
    assert found.stage == "redeemed"
    for one in (store, other):
        asyncio.run(one.close())

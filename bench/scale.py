"""Measure refreshes and polls with up to a million logins and with an empty store, on SQLite and PostgreSQL.

`make bench ARGS=scale` takes about ten minutes and 3 GB on a disk. It writes docs/sizing.json, from which `make docs`
writes the tables and the plot of docs/sizing.md. KEYFOB_BENCH_ROWS=10000 is quicker, and writes nothing.
Linux only: processor time is read from /proc.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path

import asyncpg
from filling import (
    CLIENT,
    MASTER,
    STOCK,
    Size,
    columns,
    device_code,
    devices,
    fill_postgres,
    fill_sqlite,
    refresh_token,
    size_of,
)
from measure import cpu_of, save

from keyfob.protocol.grants import DEVICE_CODE, PASSWORD, REFRESH_TOKEN
from keyfob.protocol.http import Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Application, Tenant
from keyfob.server import rows
from keyfob.server.io.postgresql import PostgresStore
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.ports import Store
from keyfob.testing.example_tenant import example_config
from tests.postgres import Postgres, running

ROWS = int(os.environ.get("KEYFOB_BENCH_ROWS", "1000000"))
EMPTY = Size(500, 500)
SIZES = [EMPTY, *(Size(at, at // 10) for at in (10_000, 100_000, 1_000_000) if at <= ROWS)]
ROUNDS, CALLS, AT_ONCE = 7, 256, 16
STALL_S, STALL_AT_ONCE = 10, 8
EXPIRED = 50_000
WORKS = ("refresh", "poll", "device", "login")
LOGGED = 2000
EVENTS: deque[Mapping[str, object]] = deque(maxlen=LOGGED)  # of the audit log
LOGINS = 4
EMAIL, WORD = "person@example.com", "correct horse battery staple"
# As for any database of this size; nothing that makes it less durable.
SETTINGS = ("-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB")
CALM = 0.020


Add = Callable[[list[list]], Awaitable[None]]


@dataclass
class Filled:
    """A tenant on a filled store.

    Attributes:
        bytes_now: Returns the size of the database.
        database_cpu: Returns the processor seconds of the database's own processes so far.
        add: Adds rows of pending logins.
        tokens: The newest refresh token of each login that was used.
    """

    tenant: Tenant
    store: Store
    size: Size
    database_cpu: Callable[[], float]
    bytes_now: Callable[[], Awaitable[int]]
    add: Add

    def __post_init__(self) -> None:
        self.tokens: dict[int, str] = {}
        self._logins, self._devices = _in_random_order(self.size.refreshes), _in_random_order(self.size.pending)

    async def refresh(self) -> None:
        number = next(self._logins)
        token = self.tokens.get(number) or refresh_token(number)
        answer = await self._post("oauth/token", grant_type=REFRESH_TOKEN, refresh_token=token)
        self.tokens[number] = json.loads(answer.body)["refresh_token"]

    async def poll(self) -> None:
        code = device_code(next(self._devices))
        answer = await self._post("oauth/token", 403, 429, grant_type=DEVICE_CODE, device_code=code)
        assert json.loads(answer.body)["error"] in {"authorization_pending", "slow_down"}, answer.body

    async def device(self) -> None:
        await self._post("oauth/device/code", scope="offline_access read:stock", audience=STOCK)

    async def login(self) -> None:
        own = {"username": EMAIL, "password": WORD, "audience": STOCK, "scope": "offline_access read:stock"}
        await self._post("oauth/token", grant_type=PASSWORD, **own)

    async def _post(self, path: str, *statuses: int, **parameters: str) -> Response:
        answer = await self.tenant.app.answer(_form(path, parameters))
        assert answer.status in (statuses or (200,)), answer.body
        return answer


def main() -> None:
    """Print what a refresh and a poll take, the stalls of the event loop, and the bytes of a row."""
    with tempfile.TemporaryDirectory(prefix="scale") as folder, running(SETTINGS) as server:
        urls = [server.new_database() for _ in SIZES]
        version = server.sql(server.url("postgres"), "SHOW server_version")[0][0]
        found = asyncio.run(_measure(Path(folder), server, urls))
    if SIZES[-1].refreshes == 1_000_000:
        save("scale", {"versions": f"SQLite {sqlite3.sqlite_version}, PostgreSQL {version}", **found})


async def _measure(folder: Path, server: Postgres, urls: list[str]) -> dict[str, object]:
    now, filled = datetime.now(UTC), {}
    for size, url in zip(SIZES, urls, strict=True):
        path = folder / f"{size.refreshes}.sqlite3"
        in_bytes = {"SQLite": await fill_sqlite(path, size, now), "PostgreSQL": await fill_postgres(url, size, now)}
        filled["SQLite", size] = await _tenant(
            SqliteStore(path), size, lambda: 0.0, partial(_size_sqlite, path), partial(_add_sqlite, path)
        )
        filled["PostgreSQL", size] = await _tenant(
            PostgresStore(url), size, partial(cpu_of, server), partial(_size_postgres, url), partial(_add_postgres, url)
        )
    costs = await _costs(filled)
    for (name, size), one in filled.items():
        if size == EMPTY:
            before = await one.bytes_now()
            await one.store.write(lambda transaction: transaction.log_events(list(EVENTS)))
            in_bytes[name]["audit events"] = (await one.bytes_now() - before) / LOGGED
    print("  bytes of a row:", json.dumps(in_bytes))
    stalls = {}
    for (name, size), one in filled.items():
        if size in {EMPTY, SIZES[-1]}:
            stalls[f"{name}, {_rows(size)}"] = await _stalls(one)
        if size == SIZES[-1]:
            stalls[f"{name}, {EXPIRED:,} rows expire"] = await _stalls(one, expired=EXPIRED)
    for one in filled.values():
        await one.store.close()
    return {"bytes": in_bytes, "cpu": costs, "stalls": stalls}


async def _tenant(
    store: Store, size: Size, cpu: Callable[[], float], bytes_now: Callable[[], Awaitable[int]], add: Add
) -> Filled:
    bench = Application(CLIENT, "Bench", grants=(DEVICE_CODE, REFRESH_TOKEN, PASSWORD))
    ready = example_config("https://login.example/")
    # All requests come from one address.
    config = replace(ready, applications=(bench,), grants=(), device_requests=10**9, requests_per_minute=10**9)
    tenant = await Tenant.create(config, store=store, master=MASTER, audit=_note)
    await tenant.add_user(EMAIL, Secret(WORD), "Pat")
    return Filled(tenant, store, size, cpu, bytes_now, add)


def _note(event: Mapping[str, object]) -> None:
    EVENTS.append(event)


async def _costs(filled: dict[tuple[str, Size], Filled]) -> dict[str, dict[str, dict[str, object]]]:
    """Return the processor seconds of a request, by kind of request and by store, with the range over the rounds."""
    rounds: dict[tuple[str, str, Size], list[tuple[float, float]]] = defaultdict(list)
    for _ in range(ROUNDS):
        for work in WORKS:
            calls, at_once = (CALLS, AT_ONCE) if work != "login" else (LOGINS, 1)  # of one user, one after the other
            for (name, size), one in filled.items():
                if work in {"login", "device"} and size != SIZES[-1]:
                    continue
                rounds[work, name, size].append(await _cpu_for(one, getattr(one, work), calls, at_once))
    found: dict[str, dict[str, dict[str, object]]] = {work: {} for work in WORKS}
    for (work, name, size), taken in rounds.items():
        beside = rounds.get((work, name, EMPTY), taken)
        ratios = [sum(one) / sum(other) for one, other in zip(taken, beside, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        node, database = (round(statistics.median(part) * 1e6) for part in zip(*taken, strict=True))
        found[work].setdefault(name, {})[str(size.refreshes)] = {
            "node_us": node, "database_us": database, "ratio": [round(at, 2) for at in (low, middle, high)],
        }  # fmt: skip
        noise = f"{middle:4.2f} x empty ({low:.2f}-{high:.2f})"
        print(f"  {work:<8} {name:<10} {_rows(size):<18} {node:>7,} + {database:>5,} us   {noise}", flush=True)
    return found


async def _cpu_for(one: Filled, work: Callable[[], Awaitable[None]], calls: int, at_once: int) -> tuple[float, float]:
    """Send `calls` requests, several at once. Return the processor seconds of the node and of the database for each."""
    node, database = time.process_time(), one.database_cpu()
    left = iter(range(calls))

    async def client() -> None:
        for _ in left:
            await work()

    await asyncio.gather(*(client() for _ in range(at_once)))
    return (time.process_time() - node) / calls, (one.database_cpu() - database) / calls


async def _stalls(one: Filled, expired: int = 0) -> dict[str, float]:
    """Refresh and poll for a while. Return the longest stalls and the slowest responses, in milliseconds."""
    past = datetime.now(UTC) - timedelta(hours=2)
    await one.add(list(devices(expired, past, past, first=10**9)))
    gc.collect()
    gc.freeze()  # as when a tenant is served
    stop, answers = time.perf_counter() + STALL_S, []

    async def client(work: Callable[[], Awaitable[None]]) -> None:
        while (began := time.perf_counter()) < stop:
            await work()
            answers.append(time.perf_counter() - began)
            await asyncio.sleep(0)  # as between two requests of a connection

    gaps = asyncio.create_task(_gaps(stop))
    await asyncio.gather(*(client(work) for work in (one.refresh, one.poll) for _ in range(STALL_AT_ONCE // 2)))
    own = sorted(await gaps)
    result = {
        "longest_ms": round(own[-1] * 1e3, 1),
        "p999_ms": round(own[int(len(own) * 0.999)] * 1e3, 1),
        "over_20_ms": sum(gap > CALM for gap in own),
        "slowest_answer_ms": round(max(answers) * 1e3, 1),
        "answers_per_s": round(len(answers) / STALL_S),
        "left": await one.store.write(lambda transaction: transaction.sweep(datetime.now(UTC), 10**6)),
    }
    print(f"  {one.size.refreshes:,} {expired:,}: {result}")
    return result


async def _gaps(stop: float) -> list[float]:
    """Return the seconds of each iteration of the event loop, minus the time in which another process ran."""
    found, delays = [], os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    try:
        at, waited = time.perf_counter(), _waited(delays)
        while at < stop:
            await asyncio.sleep(0)
            now, so_far = time.perf_counter(), _waited(delays)
            found.append(now - at - (so_far - waited))
            at, waited = now, so_far
    finally:
        os.close(delays)
    return found


def _waited(delays: int) -> float:
    """Return the seconds in which this thread was ready but another thread ran (proc(5), schedstat)."""
    return int(os.pread(delays, 100, 0).split()[1]) / 1e9


async def _size_sqlite(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return size_of(connection)


async def _size_postgres(url: str) -> int:
    connection = await asyncpg.connect(url)
    size = await connection.fetchval("SELECT pg_total_relation_size('audit_event')")
    await connection.close()
    return size


async def _add_sqlite(path: Path, added: list[list]) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(rows.DEVICE.add, added)
        connection.execute("COMMIT")


async def _add_postgres(url: str, added: list[list]) -> None:
    connection = await asyncpg.connect(url)
    await connection.copy_records_to_table(rows.DEVICE.name, records=added, columns=columns(rows.DEVICE))
    await connection.close()


def _rows(size: Size) -> str:
    return "empty" if size == EMPTY else f"{size.refreshes:,} logins"


def _in_random_order(number: int) -> Iterator[int]:
    """Yield numbers in a random order, which is the same in every run."""
    order, step = random.Random(number), number
    numbers = list(range(step))
    order.shuffle(numbers)
    return cycle(numbers)


def _form(path: str, parameters: dict[str, str]) -> Request:
    return form_request(f"/{path}", {"client_id": CLIENT, **parameters})

"""Checks of the audit log's table, which every store must pass; `store_checks.CHECKS` contains these checks."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

from keyfob.server.audit_event import Event, write_event
from keyfob.server.ports import Store, Transaction
from keyfob.testing.fake_time import NOON


async def events_are_numbered_as_they_are_committed(store: Store) -> None:
    """Event numbers grow without gaps in the order of the commits, so reading can resume after the last number."""

    async def add(name: int) -> None:
        events = [_event(name, part) for part in range(3)]
        await store.write(lambda transaction: transaction.log_events(events))

    await asyncio.gather(*(add(name) for name in range(20)))
    found = await store.read(lambda transaction: transaction.logged_events(0, 100))
    assert [one.number for one in found] == list(range(1, 61))
    texts = [json.loads(one.event)["log_id"] for one in found]
    names = texts[::3]
    assert texts == [name.replace(".0", f".{part}") for name in names for part in range(3)]
    assert {(one.type, one.user_id, one.at) for one in found} == {("s", "auth0|Zoë", NOON)}
    rest = await store.read(lambda transaction: transaction.logged_events(57, 2))
    assert [one.number for one in rest] == [58, 59]


async def work_that_raises_leaves_no_event(store: Store) -> None:
    """If the function in a transaction raises, the events that it added are not stored."""

    async def fail(transaction: Transaction) -> None:
        await transaction.log_events([_event(1, 0)])
        raise ValueError

    await asyncio.gather(store.write(fail), return_exceptions=True)
    assert await store.read(lambda transaction: transaction.logged_events(0, 10)) == ()


async def a_sweep_of_events_takes_the_oldest_and_keeps_the_newest(store: Store) -> None:
    """A sweep deletes the oldest events first, and never the newest event. No event number is assigned twice."""
    events = [{**_event(day, 0), "date": (NOON + timedelta(days=day)).isoformat()} for day in range(20)]
    await store.write(lambda transaction: transaction.log_events(events))

    async def sweep(days: int, keep: int, most: int) -> list[int]:
        before = NOON + timedelta(days=days)
        await store.write(lambda transaction: transaction.sweep_events(before, keep, most))
        return [one.number for one in await store.read(lambda transaction: transaction.logged_events(0, 100))]

    assert await sweep(0, 20, 100) == list(range(1, 21))
    assert await sweep(10, 20, 4) == list(range(5, 21))
    assert await sweep(10, 20, 100) == list(range(11, 21))
    assert await sweep(0, 3, 100) == [18, 19, 20]
    assert await sweep(1000, 0, 100) == [20]
    await store.write(lambda transaction: transaction.log_events([_event(1, 0)]))
    assert await sweep(0, 20, 100) == [20, 21]


def _event(name: int, part: int) -> Event:
    return write_event("s", NOON, f"{name}.{part}", {"user_id": "auth0|Zoë"})

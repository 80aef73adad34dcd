"""A contract check for a server store: the tries of passwords and codes. It is one of `store_checks.CHECKS`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from keyfob.server.ports import Store, Transaction
from keyfob.server.records import Tries
from keyfob.testing.fake_time import NOON

TRIES: Final = Tries(b"tries key", 2.5, NOON, NOON + timedelta(hours=1))


async def tries_are_kept_until_they_expire(store: Store) -> None:
    """A budget is replaced, dropped alone, and swept only after its time."""
    later = replace(TRIES, tries_key=b"other", expires_at=NOON + timedelta(days=1))

    def fill(transaction: Transaction) -> None:
        transaction.save_tries(replace(TRIES, count=4))
        transaction.save_tries(TRIES)
        transaction.save_tries(later)
        transaction.save_tries(replace(TRIES, tries_key=b"third"))
        transaction.drop_tries(b"third")

    await store.write(fill)
    assert await store.read(lambda transaction: transaction.tries(TRIES.tries_key)) == TRIES
    assert await store.read(lambda transaction: transaction.tries(b"third")) is None
    assert await store.write(lambda transaction: transaction.sweep(TRIES.expires_at, 10)) == 1
    assert await store.read(lambda transaction: transaction.tries(TRIES.tries_key)) is None
    assert await store.read(lambda transaction: transaction.tries(b"other")) == later

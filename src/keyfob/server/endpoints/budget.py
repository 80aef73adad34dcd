"""Rate limits whose state is in the store. All nodes share the limits, and a restart does not reset them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keyfob.server.decide.throttle import Bucket, refill, spend, time_until_try
from keyfob.server.ports import Transaction
from keyfob.server.records import Tries


@dataclass(frozen=True, slots=True)
class Budget:
    """A token bucket in the store.

    Attributes:
        key: The keyed hash of the subject whose tries are counted, such as a user or a network.
        size: The number of tries in a full bucket. The bucket refills evenly over `span`.
        of_stranger: Whether an unauthenticated caller chooses the subject, for example an unknown user name.
    """

    key: bytes
    size: int
    span: timedelta
    of_stranger: bool = False

    async def load(self, transaction: Transaction, now: datetime) -> Bucket:
        known = await transaction.tries(self.key)
        return refill(None if known is None else Bucket(known.count, known.at), self.size, self.span, now)

    async def wait(self, transaction: Transaction, now: datetime, cost: int = 1) -> timedelta:
        """Return the time until the bucket has `cost` tries; zero if it has them now."""
        return time_until_try(await self.load(transaction, now), self.size, self.span, cost)

    async def spend(self, transaction: Transaction, now: datetime, cost: int = 1) -> None:
        await self._save(transaction, spend(await self.load(transaction, now), cost))

    async def give_back(self, transaction: Transaction, now: datetime) -> None:
        bucket = await self.load(transaction, now)
        await self._save(transaction, replace(bucket, left=min(float(self.size), bucket.left + 1)))

    async def _save(self, transaction: Transaction, bucket: Bucket) -> None:
        tries = Tries(self.key, bucket.left, bucket.at, bucket.at + self.span, self.of_stranger)
        await transaction.save_tries(tries)

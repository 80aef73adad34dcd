"""Password hashing with Argon2id in threads (NIST SP 800-63B-4 §3.1.1.2).

The number of concurrent hashes is limited, since each hash uses much memory. Further passwords wait in a limited queue.
If a caller disconnects, its password leaves the queue, so that abandoned requests do not delay other requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Literal

import argon2

from keyfob.protocol.secret import Secret
from keyfob.server.decide import limits

# Each request sets this to a function that waits until the caller has closed the connection.
CALLER_LEFT: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("CALLER_LEFT", default=None)


class Argon2Passwords:
    """Hashes passwords with argon2-cffi's recommended profile (RFC 9106, low memory: 64 MiB, 3 passes, 4 lanes)."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        self._limit = asyncio.Semaphore(limits.HASHES_AT_ONCE)
        self._waiting: Counter[str] = Counter()  # the number of waiting passwords by network
        # The password of an unknown user is compared with this hash, so that the response takes the same time.
        self._dummy_hash = self._hasher.hash("nobody has this password")

    async def hash(self, password: Secret) -> str:
        async with self._limit:
            return await asyncio.to_thread(self._hasher.hash, password.reveal())

    async def hash_new(self, password: Secret, check: Callable[[], None], network: str) -> str | None:
        def work() -> str:
            check()
            return self._hasher.hash(password.reveal())

        if not await self._has_turn(network):
            return None
        try:
            return await asyncio.to_thread(work)
        finally:
            self._limit.release()

    async def verify(self, password: Secret, hashed: str | None, network: str = "") -> bool | None:
        if not await self._has_turn(network):
            return None
        try:
            fits = await asyncio.to_thread(self._verify, password.reveal(), hashed or self._dummy_hash)
        finally:
            self._limit.release()
        return fits and hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        return self._hasher.check_needs_rehash(hashed)

    @property
    def waiting(self) -> int:
        """The number of passwords that wait in the queue, to be verified or hashed."""
        return sum(tuple(self._waiting.values()))

    async def _has_turn(self, network: str) -> bool:
        """Wait until a password may be hashed. Return False if it must not be hashed.

        This is so if the queue is full, if too many passwords of the network are in the queue, or if the caller
        disconnects.
        """
        if not self._limit.locked():
            return await self._limit.acquire()
        if self._waiting.total() >= limits.HASHES_WAITING or self._waiting[network] >= limits.HASHES_WAITING_OF_ONE:
            return False
        self._waiting[network] += 1
        try:
            return await _before_caller_leaves(self._limit)
        finally:
            self._waiting[network] -= 1
            if not self._waiting[network]:
                del self._waiting[network]

    def _verify(self, password: str, hashed: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


async def _before_caller_leaves(limit: asyncio.Semaphore) -> bool:
    """Acquire the semaphore. Return False without acquiring it if the caller disconnects first."""
    left = CALLER_LEFT.get()
    if left is None:
        return await limit.acquire()
    turn, leaving = asyncio.ensure_future(limit.acquire()), asyncio.ensure_future(left())
    try:
        await asyncio.wait({turn, leaving}, return_when=asyncio.FIRST_COMPLETED)
    except BaseException:
        _let_go(turn, limit)
        raise
    finally:
        leaving.cancel()
    if leaving.done() and not leaving.cancelled():
        _let_go(turn, limit)
        return False
    return True


def _let_go(turn: asyncio.Future[Literal[True]], limit: asyncio.Semaphore) -> None:
    """Release the semaphore if it was acquired; else cancel the attempt to acquire it."""
    if turn.done() and not turn.cancelled():
        limit.release()
    else:
        turn.cancel()

"""A cache of pending device logins in the memory of a process, so that most polls do not read the database.

A transaction that changes a device login removes the login from this process's cache. If another process changes a
login, its commit changes the database's version. So cached logins are used only for `DEVICE_STALENESS` after a check
of this version.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from keyfob.server.decide.limits import CACHED_DEVICES, DEVICE_STALENESS, REMEMBERED
from keyfob.server.records import DeviceLogin
from keyfob.server.sql import KEPT_AFTER, SqlConnection, SqlTransaction

_WAITING: Final = frozenset({"waiting", "confirmed"})
_STALENESS_S: Final = DEVICE_STALENESS.total_seconds()


class DeviceCache:
    """A cache of pending device logins. A change by another process takes effect after `DEVICE_STALENESS` at most.

    The cache is thread-safe. Times are seconds of a monotonic clock.

    Attributes:
        valid_until: The time of the next check of the database's version.
        changes: The number of changes so far that can make a cached login outdated.
    """

    def __init__(self, most: int = CACHED_DEVICES) -> None:
        self.valid_until: float = -math.inf
        self.changes: int = 0
        self._logins: dict[bytes, DeviceLogin] = {}
        self._most = most
        self._version: int | None = None
        self._is_changing = False
        self._lock = threading.Lock()

    def find(self, device_code_hash: bytes, now: float) -> DeviceLogin | None:
        return self._logins.get(device_code_hash) if now < self.valid_until else None

    def keep(self, login: DeviceLogin, changes: int) -> None:
        """Cache a pending login. Do nothing if another transaction may have changed the login since it was read.

        Args:
            login: The login, as read from a snapshot of the database.
            changes: The value of the attribute `changes` before the snapshot.
        """
        if login.stage not in _WAITING or login.user_id is not None:
            return
        with self._lock:
            # The login may be outdated: a change was committed after the snapshot, or is about to be committed.
            if self._is_changing or changes != self.changes:
                return
            self._logins[login.device_code_hash] = login
            if len(self._logins) > self._most:
                del self._logins[next(iter(self._logins))]

    def validate(self, version: int, now: float) -> None:
        """Record the version that was read from the database at the time `now`.

        If this version differs from the recorded version, clear the cache.
        """
        with self._lock:
            if version != self._version:
                self._version = version
                self.changes += 1
                self._logins.clear()
            self.valid_until = now + _STALENESS_S

    def change(self, device_code_hash: bytes) -> None:
        """Remove a login that a transaction changes.

        Until the commit, readers still see the unchanged record. So no login is cached until `settle` is called.
        """
        with self._lock:
            self._is_changing = True
            self._logins.pop(device_code_hash, None)

    def sweep(self, before: datetime) -> None:
        """Remove the logins that expired before a time, while a transaction deletes them from the database.

        As in `change`, no login is cached until `settle` is called.
        """
        with self._lock:
            self._is_changing = True
            late = [name for name, login in self._logins.items() if login.expires_at <= before]
            for name in late:
                del self._logins[name]

    def settle(self) -> None:
        """Allow logins to be cached again, after a transaction was committed or rolled back."""
        with self._lock:
            if self._is_changing:
                self._is_changing = False
                self.changes += 1

    def clear(self) -> None:
        with self._lock:
            self._logins.clear()


class ReadingTransaction(SqlTransaction):
    """A read transaction that looks up pending device logins in the cache first.

    Attributes:
        changes: The value of the cache's `changes` before this transaction's snapshot.
    """

    def __init__(self, connection: SqlConnection, cache: DeviceCache, look: Callable[[], float]) -> None:
        """Create a transaction. `look` validates the cache if the next check is due, and then returns the time."""
        super().__init__(connection)
        self.changes: int = 0
        self._cache = cache
        self._look = look

    async def polled_device(self, device_code_hash: bytes) -> DeviceLogin | None:
        found = self._cache.find(device_code_hash, self._look())
        if found is None:
            found = await self.device_by_code(device_code_hash)
            if found is not None:
                self._cache.keep(found, self.changes)
        return found


class WritingTransaction(SqlTransaction):
    """A write transaction. If it changes a device login, it also removes this login from the cache."""

    def __init__(self, connection: SqlConnection, cache: DeviceCache) -> None:
        super().__init__(connection)
        self._cache = cache

    async def save_device(self, login: DeviceLogin) -> None:
        self._cache.change(login.device_code_hash)
        await super().save_device(login)

    async def sweep(self, now: datetime, most: int, strangers: int = REMEMBERED) -> int:
        gone = await super().sweep(now, most, strangers)
        self._cache.sweep(now - KEPT_AFTER)
        return gone

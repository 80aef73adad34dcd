"""A vault in memory: what is kept is read back as a file vault would."""

from __future__ import annotations

import threading
from types import TracebackType

from keyfob.client.model.stored_login import StoredLogin


class MemoryLock:
    """Excludes other threads."""

    def __init__(self, lock: threading.Lock) -> None:
        """Not held yet."""
        self._lock = lock

    async def __aenter__(self) -> None:
        """Wait for it."""
        self._lock.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it."""
        self._lock.release()


class MemoryVault:
    """Keeps bytes, as the file vault does, so that nothing survives that would not survive a file."""

    def __init__(self) -> None:
        """Empty."""
        self._drawers: dict[str, bytes] = {}
        self._locks: dict[str, threading.Lock] = {}

    async def prepare(self) -> str:
        """It is; there is nothing to tell."""
        return ""

    async def load(self, entry: str) -> StoredLogin | None:
        """What lies there, or None."""
        raw = self._drawers.get(entry)
        return None if raw is None else StoredLogin.read(raw)

    async def save(self, entry: str, stored: StoredLogin) -> None:
        """Replace what lies there."""
        self._drawers[entry] = stored.write()

    async def remove_quick(self, entry: str) -> None:
        """Nothing is laid out."""

    async def delete(self, entry: str) -> None:
        """Empty the drawer."""
        self._drawers.pop(entry, None)

    def lock(self, entry: str) -> MemoryLock:
        """Hold off other threads."""
        return MemoryLock(self._locks.setdefault(entry, threading.Lock()))

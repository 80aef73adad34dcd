"""A vault in memory: what is kept is read back as a file vault would."""

from __future__ import annotations

import threading
from types import TracebackType

from keyfob.client.model.stored_login import Held


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

    async def make_ready(self) -> str:
        """It is; there is nothing to tell."""
        return ""

    async def load(self, drawer: str) -> Held | None:
        """What lies there, or None."""
        raw = self._drawers.get(drawer)
        return None if raw is None else Held.read(raw)

    async def keep(self, drawer: str, held: Held) -> None:
        """Replace what lies there."""
        self._drawers[drawer] = held.write()

    async def put_away(self, drawer: str) -> None:
        """Nothing is laid out."""

    async def forget(self, drawer: str) -> None:
        """Empty the drawer."""
        self._drawers.pop(drawer, None)

    def lock(self, drawer: str) -> MemoryLock:
        """Hold off other threads."""
        return MemoryLock(self._locks.setdefault(drawer, threading.Lock()))

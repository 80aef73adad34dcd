"""A vault in memory that stores the same bytes as the file vault."""

from __future__ import annotations

import threading
from types import TracebackType

from keyfob.client.model.stored_login import StoredLogin


class MemoryLock:
    """A lock that excludes other threads."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


class MemoryVault:
    """A vault that serializes each stored login, so that a field that is not written is lost here too."""

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}
        self._locks: dict[str, threading.Lock] = {}

    async def prepare(self) -> str:
        return ""

    async def load(self, entry: str) -> StoredLogin | None:
        raw = self._entries.get(entry)
        return None if raw is None else StoredLogin.read(raw)

    async def save(self, entry: str, stored: StoredLogin) -> None:
        self._entries[entry] = stored.write()

    async def remove_quick(self, entry: str) -> None:
        pass

    async def delete(self, entry: str) -> None:
        self._entries.pop(entry, None)

    def lock(self, entry: str) -> MemoryLock:
        return MemoryLock(self._locks.setdefault(entry, threading.Lock()))

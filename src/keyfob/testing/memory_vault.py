"""A vault in memory that stores the same bytes as the file vault."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
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


class MemorySlot:
    """A reserved vault entry for one login. In memory, nothing needs to be reserved."""

    def __init__(self, vault: MemoryVault, entry: str) -> None:
        self._vault = vault
        self._entry = entry

    async def save(self, stored: StoredLogin) -> None:
        await self._vault.save(self._entry, stored)


class MemoryVault:
    """A vault that serializes each login, so that tests notice a field that is not serialized."""

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}
        self._locks: dict[str, threading.Lock] = {}

    async def prepare(self) -> str:
        return ""

    async def load(self, entry: str, *, is_ending: bool = False) -> StoredLogin | None:
        del is_ending  # this vault has no logins that may be loaded only to be ended
        raw = self._entries.get(entry)
        return None if raw is None else StoredLogin.read(raw)

    async def save(self, entry: str, stored: StoredLogin) -> None:
        self._entries[entry] = stored.write()

    @asynccontextmanager
    async def reserve(self, entry: str) -> AsyncGenerator[MemorySlot]:
        yield MemorySlot(self, entry)

    async def remove_quick(self, entry: str) -> None:
        pass

    async def delete(self, entry: str) -> None:
        self._entries.pop(entry, None)

    def lock(self, entry: str, on_wait: Callable[[int | None], object] | None = None) -> MemoryLock:
        del on_wait
        return MemoryLock(self._locks.setdefault(entry, threading.Lock()))

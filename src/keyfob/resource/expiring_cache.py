"""A bounded cache of verification results. Its keys are hashes of tokens, never the tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

V = TypeVar("V")


class ExpiringCache(Generic[V]):
    """A cache of two generations.

    New entries are stored in the young generation, and `get` moves an old entry to it. When the young generation is
    full, it becomes the old generation, and the previous old generation is dropped.

    The cache is thread-safe without a lock, since each step is one operation of a dict. A race can only lose an entry.
    A lost entry is computed again.
    """

    def __init__(self, most: int) -> None:
        """Make an empty cache.

        Args:
            most: The greatest number of entries; 0 caches nothing.
        """
        self._half = (most + 1) // 2
        self._young: dict[bytes, tuple[V, datetime]] = {}
        self._old: dict[bytes, tuple[V, datetime]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, digest: bytes, now: datetime) -> V | None:
        """Return the cached value, or None if it is missing or has expired."""
        found = self._young.get(digest)
        if found is None:
            found = self._old.pop(digest, None)
            if found is None:
                return None
            self._keep(digest, found)
        value, until = found
        if now < until:
            return value
        self._young.pop(digest, None)
        return None

    def put(self, digest: bytes, value: V, until: datetime) -> None:
        if self._half:
            self._keep(digest, (value, until))

    def clear(self) -> None:
        self._young, self._old = {}, {}

    def _keep(self, digest: bytes, entry: tuple[V, datetime]) -> None:
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
        self._young[digest] = entry

"""What was learnt about tokens, for a while: bounded, and keyed by a hash of the token, never by the token."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """Two generations: when the young one is full it becomes the old one, and what was old and not used is forgotten.

    Thread-safe without a lock: each step is one operation of a dict, and a race loses at most something that can be
    learnt again.
    """

    def __init__(self, most: int) -> None:
        """Remember nothing yet.

        Args:
            most: How many things are kept; 0 keeps none.
        """
        self._half = (most + 1) // 2
        self._young: dict[bytes, tuple[V, datetime]] = {}
        self._old: dict[bytes, tuple[V, datetime]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, digest: bytes, now: datetime) -> V | None:
        """What is remembered, unless its time is over."""
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
        """Remember it for so long."""
        if self._half:
            self._keep(digest, (value, until))

    def clear(self) -> None:
        """Forget all."""
        self._young, self._old = {}, {}

    def _keep(self, digest: bytes, entry: tuple[V, datetime]) -> None:
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
        self._young[digest] = entry

"""A vault in memory: what is kept is read back as a file vault would."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from keyfob.client.model.stored_login import Held


class MemoryVault:
    """Keeps bytes, as the file vault does, so that nothing survives that would not survive a file."""

    def __init__(self) -> None:
        """Empty."""
        self._drawers: dict[str, bytes] = {}
        self._locks: dict[str, threading.Lock] = {}

    def make_ready(self) -> str:
        """It is; there is nothing to tell."""
        return ""

    def load(self, drawer: str) -> Held | None:
        """What lies there, or None."""
        raw = self._drawers.get(drawer)
        return None if raw is None else Held.read(raw)

    def keep(self, drawer: str, held: Held) -> None:
        """Replace what lies there."""
        self._drawers[drawer] = held.write()

    def put_away(self, drawer: str) -> None:
        """Nothing is laid out."""

    def forget(self, drawer: str) -> None:
        """Empty the drawer."""
        self._drawers.pop(drawer, None)

    def lock(self, drawer: str) -> AbstractContextManager[bool]:
        """Hold off other threads."""
        return self._locks.setdefault(drawer, threading.Lock())

"""Which proofs of possession were used already (RFC 9449 §11.1)."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from typing import Final, Protocol

from keyfob.errors import Unreachable

MOST: Final = 100_000


class Replays(Protocol):
    """Where used proofs are remembered. Bring one of your own where several processes serve one API."""

    def use_once(self, mark: str, until: datetime, now: datetime) -> bool:
        """Note that a proof was used; False where it was before.

        Must be quick, since an event loop waits for it, and one step: of two at the same time one gets False.

        Args:
            mark: Stands for the proof; of one length.
            until: How long to remember it.
            now: Aware, UTC.

        Raises:
            Unreachable: It cannot be told. Nothing passes then.
        """
        ...


class ReplaysInMemory:
    """For one process. Bounded: when it is full of proofs that are still fresh, it says that it cannot tell."""

    def __init__(self, most: int = MOST) -> None:
        """Remember nothing yet."""
        self._most = most
        self._lock = threading.Lock()
        self._marks: set[str] = set()
        self._order: deque[tuple[datetime, str]] = deque()

    def use_once(self, mark: str, until: datetime, now: datetime) -> bool:
        """See `Replays`.

        Raises:
            Unreachable: It is full.
        """
        with self._lock:
            # All are remembered for the same time, so the oldest end first.
            while self._order and self._order[0][0] <= now:
                self._marks.discard(self._order.popleft()[1])
            if mark in self._marks:
                return False
            if len(self._marks) >= self._most:
                raise Unreachable("no more proofs can be remembered at the moment")
            self._marks.add(mark)
            self._order.append((until, mark))
            return True

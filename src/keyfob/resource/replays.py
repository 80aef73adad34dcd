"""Record which DPoP proofs were used (RFC 9449 §11.1)."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from typing import Final, Protocol

from keyfob.errors import Unreachable

MOST: Final = 100_000


class Replays(Protocol):
    """A record of used proofs. Implement it on a shared store if several processes serve one API."""

    def use_once(self, replay_key: str, until: datetime, now: datetime) -> bool:
        """Record a proof, and return whether it is new.

        Has to be atomic: of two calls at the same time, one returns False. Has to be quick: it blocks the event loop.

        Args:
            replay_key: Identifies the proof: a hash of fixed length.
            until: The record may be deleted then.
            now: Aware, UTC.

        Raises:
            Unreachable: The record cannot be read. The request is then denied.
        """
        ...


class ReplaysInMemory:
    """For one process. Raises Unreachable if it is full of proofs that are still fresh."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._used: set[str] = set()
        self._order: deque[tuple[datetime, str]] = deque()

    def use_once(self, replay_key: str, until: datetime, now: datetime) -> bool:
        with self._lock:
            # All are recorded for the same time, so the oldest end first.
            while self._order and self._order[0][0] <= now:
                self._used.discard(self._order.popleft()[1])
            if replay_key in self._used:
                return False
            if len(self._used) >= self._most:
                raise Unreachable("no more proofs can be remembered at the moment")
            self._used.add(replay_key)
            self._order.append((until, replay_key))
            return True

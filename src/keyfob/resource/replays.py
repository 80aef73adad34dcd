"""Record the used DPoP proofs, so that each proof is accepted once (RFC 9449 §11.1)."""

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

        An implementation must be atomic: of two concurrent calls for one proof, one returns False. It must be fast,
        since it blocks the event loop.

        Args:
            replay_key: A hash of fixed length that identifies the proof.
            until: The time from which the record may be deleted.
            now: The current time, aware, UTC.

        Raises:
            Unreachable: The record cannot be read. The request is then denied.
        """
        ...


class ReplaysInMemory:
    """A record in the memory of one process. `use_once` raises Unreachable if unexpired proofs fill the record."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._used: set[str] = set()
        self._order: deque[tuple[datetime, str]] = deque()

    def use_once(self, replay_key: str, until: datetime, now: datetime) -> bool:
        with self._lock:
            # All proofs are recorded for equally long, so the oldest records expire first.
            while self._order and self._order[0][0] <= now:
                self._used.discard(self._order.popleft()[1])
            if replay_key in self._used:
                return False
            if len(self._used) >= self._most:
                raise Unreachable("no more proofs can be remembered at the moment")
            self._used.add(replay_key)
            self._order.append((until, replay_key))
            return True

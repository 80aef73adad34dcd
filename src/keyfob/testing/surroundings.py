"""A fake clock for a server and its client, and repeatable random bytes for the server."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from keyfob.client.model.moment import Moment
from keyfob.testing.fake_time import NOON, FakeTime


class FakeSurroundings:
    """A fake clock for a server and its client, which advances when the client waits, and repeatable random bytes."""

    def __init__(self, start: datetime = NOON, seed: int = 1) -> None:
        self._time = FakeTime(start)
        self._random = random.Random(seed)

    def now(self) -> datetime:
        return self._time.now().wall

    def moment(self) -> Moment:
        """Return the time of the wall clock and of the monotonic clock."""
        return self._time.now()

    def go(self, span: timedelta) -> None:
        """Advance the wall clock and the monotonic clock."""
        self._time.wait(span)

    def random(self, size: int) -> bytes:
        """Return the next bytes of the seeded sequence."""
        return self._random.randbytes(size)

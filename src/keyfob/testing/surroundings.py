"""A fake clock for all parties of a scene, and repeatable random bytes."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from keyfob.client.model.moment import Moment
from keyfob.testing.fake_time import NOON, FakeTime


class FakeSurroundings:
    """The clock and the random bytes of a server. The client shares the clock, which advances when the client waits."""

    def __init__(self, start: datetime = NOON, seed: int = 1) -> None:
        self._time = FakeTime(start)
        self._random = random.Random(seed)

    def now(self) -> datetime:
        return self._time.now().wall

    def moment(self) -> Moment:
        """Return the time on both clocks."""
        return self._time.now()

    def go(self, span: timedelta) -> None:
        """Advance both clocks."""
        self._time.wait(span)

    def random(self, size: int) -> bytes:
        """Return the next bytes of the seeded sequence."""
        return self._random.randbytes(size)

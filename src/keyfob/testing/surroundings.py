"""One fake clock for everybody in a scene, and chance that repeats itself."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from keyfob.client.model.moment import Moment
from keyfob.testing.fake_time import NOON, FakeTime


class FakeSurroundings:
    """What a tenant needs of the world; when the program waits, the tenant's time passes too."""

    def __init__(self, start: datetime = NOON, seed: int = 1) -> None:
        """Stand still at `start`."""
        self._time = FakeTime(start)
        self._random = random.Random(seed)

    def now(self) -> datetime:
        """Aware, UTC."""
        return self._time.now().wall

    def moment(self) -> Moment:
        """Both clocks."""
        return self._time.now()

    def go(self, span: timedelta) -> None:
        """Let time pass."""
        self._time.wait(span)

    def random(self, size: int) -> bytes:
        """The same bytes for the same seed."""
        return self._random.randbytes(size)

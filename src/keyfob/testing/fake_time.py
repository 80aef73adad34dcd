<<<<<<< HEAD
"""Time that passes only when somebody waits, and chance that repeats itself."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from keyfob.client.asks import Moment

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FakeTime:
    """One clock for everybody in a test: the program waits, and the tenant's time passes too."""

    def __init__(self, start: datetime = START, seed: int = 1) -> None:
        """Stand still at `start`."""
        self._wall = start
        self._steady = timedelta()
        self._random = random.Random(seed)

    def now(self) -> datetime:
        """Aware, UTC."""
        return self._wall

    def steady(self) -> timedelta:
        """Since the start; a jump of the wall clock does not show in it."""
        return self._steady

    def moment(self) -> Moment:
        """Both clocks."""
        return Moment(self._wall, self._steady)

    def go(self, span: timedelta) -> None:
        """Let time pass."""
        self._wall += span
        self._steady += span

    def jump(self, span: timedelta) -> None:
        """Set the wall clock alone: somebody has corrected it, or the machine slept."""
        self._wall += span

    def random(self, size: int) -> bytes:
        """Bytes as a tenant draws them; the same ones for the same seed."""
        return self._random.randbytes(size)
=======
"""Time that passes only when somebody waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from keyfob.client.asks import Moment

NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)


class FakeTime:
    """Both clocks of a world. The wall clock can be set; the steady one only goes forward.

    Attributes:
        passed: What the steady clock says.
    """

    def __init__(self, wall: datetime = NOON) -> None:
        """Start at noon."""
        self._start = wall
        self.passed = timedelta()

    def now(self) -> Moment:
        """Both clocks."""
        return Moment(self._start + self.passed, self.passed)

    def wait(self, span: timedelta) -> None:
        """Let time pass, at once."""
        self.passed += max(span, timedelta())

    def set_wall(self, by: timedelta) -> None:
        """Move the wall clock alone: somebody set it, or a laptop slept."""
        self._start += by
>>>>>>> client

"""A clock that advances only when a test waits or sets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from keyfob.client.model.moment import Moment

NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)


class FakeTime:
    """Both clocks of a World. The wall clock can be set; the monotonic clock only advances.

    Attributes:
        passed: The reading of the monotonic clock: the time since the start.
    """

    def __init__(self, wall: datetime = NOON) -> None:
        self._start = wall
        self.passed = timedelta()

    def now(self) -> Moment:
        return Moment(self._start + self.passed, self.passed)

    def wait(self, span: timedelta) -> None:
        """Advance both clocks by `span`, without sleeping."""
        self.passed += max(span, timedelta())

    def set_wall(self, by: timedelta) -> None:
        """Move the wall clock alone, as after a clock adjustment or the sleep of a laptop."""
        self._start += by

"""Time that passes only when somebody waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from keyfob.client.model.moment import Moment

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

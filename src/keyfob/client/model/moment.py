"""The present time on the wall clock and on the monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Moment:
    """The same moment on the wall clock and on the monotonic clock.

    Attributes:
        wall: The wall clock's time: an aware datetime in UTC. The clock may jump.
        steady: The monotonic clock's time since an arbitrary origin. The clock may stop while a laptop sleeps.
    """

    wall: datetime
    steady: timedelta

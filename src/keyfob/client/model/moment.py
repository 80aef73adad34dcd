"""The present time on two clocks: wall clock and monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of both clocks.

    Attributes:
        wall: The wall clock, aware, in UTC; may jump.
        steady: The monotonic clock, with an arbitrary origin; may stop while a laptop sleeps.
    """

    wall: datetime
    steady: timedelta

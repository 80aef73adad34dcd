"""The present time on two clocks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, by two clocks.

    Attributes:
        wall: Aware, UTC; may jump.
        steady: Only goes forward, from anywhere; may stand still while a laptop sleeps.
    """

    wall: datetime
    steady: timedelta

"""The system's wall clock and monotonic clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from keyfob.client.model.moment import Moment


def moment() -> Moment:
    """Return the present time on both clocks."""
    return Moment(datetime.now(UTC), timedelta(seconds=time.monotonic()))

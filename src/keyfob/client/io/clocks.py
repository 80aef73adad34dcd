"""The system's wall clock and monotonic clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from keyfob.client.model.moment import Moment


def moment() -> Moment:
    """Return the wall clock's and the monotonic clock's time."""
    return Moment(datetime.now(UTC), timedelta(seconds=time.monotonic()))

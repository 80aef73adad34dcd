"""What time it is, by two clocks."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from keyfob.client.model.moment import Moment


def moment() -> Moment:
    """The wall's, and one that only goes forward."""
    return Moment(datetime.now(UTC), timedelta(seconds=time.monotonic()))

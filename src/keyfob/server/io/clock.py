"""The current time and random bytes from the operating system."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial


class SystemSurroundings:
    """The methods are functions in C, since each request calls them several times."""

    now = staticmethod(partial(datetime.now, UTC))
    random = staticmethod(os.urandom)

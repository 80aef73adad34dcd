"""The wall clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

wall_clock: Final[Callable[[], datetime]] = partial(datetime.now, UTC)

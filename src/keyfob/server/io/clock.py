"""The current time and random bytes from the operating system."""

from __future__ import annotations

import os
from datetime import UTC, datetime


class SystemSurroundings:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def random(self, size: int) -> bytes:
        return os.urandom(size)  # `secrets.token_bytes` calls os.urandom too, but through two more functions

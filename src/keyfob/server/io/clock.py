"""The time and the random bytes of the operating system."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


class SystemSurroundings:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def random(self, size: int) -> bytes:
        return secrets.token_bytes(size)

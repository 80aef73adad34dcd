"""Real time and chance."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


class SystemSurroundings:
    """This machine's."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)

    def random(self, size: int) -> bytes:
        """From the operating system."""
        return secrets.token_bytes(size)

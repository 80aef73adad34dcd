"""What the number at the end says; a script branches on it (docs/errors.md). An error carries its own."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
INTERRUPTED: Final = 130  # as shells count SIGINT

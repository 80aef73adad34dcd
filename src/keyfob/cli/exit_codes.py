"""What the number at the end says; a script branches on it (docs/errors.md). An error carries its own."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
SIGNALLED: Final = 128  # and the signal's number, as shells count
INTERRUPTED: Final = SIGNALLED + 2  # SIGINT

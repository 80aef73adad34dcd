"""The exit codes that belong to no error class. Each error class has its own code (docs/errors.md)."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
SIGNALLED: Final = 128  # plus the signal's number, as in shells
INTERRUPTED: Final = SIGNALLED + 2  # SIGINT

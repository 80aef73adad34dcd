"""Exit codes that are no error's own; the others stand beside each error in `keyfob.errors`."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
USED_WRONGLY: Final = 2
REFUSED: Final = 3
INTERRUPTED: Final = 130

"""A file that is replaced when settings change, so that a running tenant reloads them at its next request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from keyfob.server.io.data import replace

_NAME: Final = "registered"


class ChangeSignal:
    """The change signal of one tenant's folder.

    Checking the signal is a hundred times faster than reading the settings.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._text = str(self._path)

    def send(self) -> None:
        """Signal a change.

        A lost signal only delays the change, since the tenant also checks its settings every second.
        """
        replace(self._path, b"")

    def state(self) -> tuple[int, int]:
        """Return a value that differs after each signal."""
        try:
            found = os.stat(self._text)  # noqa: PTH116  runs at every request; pathlib is slower
        except OSError:
            return (0, 0)
        return (found.st_ino, found.st_mtime_ns)

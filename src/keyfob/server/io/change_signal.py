"""A file that is replaced when settings change, so that a running tenant reloads them at its next request."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

from keyfob.server.io.data import replace

_NAME: Final = "registered"
# How often a tenant looks at the signal. A look at every request would take up to a tenth of the request's time, since
# each system call lets other threads run. `ChangeSignal.send` waits for this time, so a change still takes effect at
# the next request.
LOOK_EVERY: Final = timedelta(milliseconds=10)


class ChangeSignal:
    """Tells the processes that use one tenant's folder that its settings or keys have changed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._text = str(self._path)

    def send(self) -> None:
        """Signal a change, and wait until running tenants look at the signal again, at their next request.

        A lost signal only delays the change, since the tenant also checks its settings every second.
        """
        replace(self._path, b"")
        time.sleep(LOOK_EVERY.total_seconds())

    def state(self) -> tuple[int, int]:
        """Return a value that differs after each signal."""
        try:
            found = os.stat(self._text)  # noqa: PTH116  runs at every request; pathlib is slower
        except OSError:
            return (0, 0)
        return (found.st_ino, found.st_mtime_ns)

"""No file of this process's memory is left behind when it dies: it would hold tokens (core(5))."""

from __future__ import annotations

import contextlib
import sys

if sys.platform == "win32":  # pragma: no cover

    def forbid() -> None:
        """There is no such file here."""

    def allow_again() -> None:
        """There is no such file here."""

else:
    import resource

    _before = resource.getrlimit(resource.RLIMIT_CORE)

    def forbid() -> None:
        """As far as a program may say so for itself; what a system's own collector takes is not its to say."""
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, _before[1]))

    def allow_again() -> None:
        """For a program that takes our place, and whose memory is its own."""
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, _before)

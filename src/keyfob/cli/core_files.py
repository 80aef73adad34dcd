"""Forbid core files (core(5)): they would contain tokens."""

from __future__ import annotations

import contextlib
import sys

if sys.platform == "win32":  # pragma: no cover

    def forbid() -> None:
        """Do nothing: Windows writes no core files by default."""

    def allow_again() -> None:
        """Do nothing."""

else:
    import resource

    _before = resource.getrlimit(resource.RLIMIT_CORE)

    def forbid() -> None:
        """Set the limit to 0. A system-wide collector (core_pattern) may ignore the limit."""
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, _before[1]))

    def allow_again() -> None:
        """Restore the limit, before another program replaces this one by exec."""
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, _before)

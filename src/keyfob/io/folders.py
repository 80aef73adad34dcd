"""Where a platform wants a program's files to lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def platform_folder(variable: str, name: str, *, unix_variable: str, unix_default: str) -> Path:
    """A program's folder.

    Args:
        variable: Of the environment; where it is set, it decides.
        name: The folder's own.
        unix_variable: Whose value is the parent on other systems, by the XDG base directory specification.
        unix_default: The parent below the home folder where that is not set.
    """
    chosen = os.environ.get(variable)
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / name
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / name
    return Path(os.environ.get(unix_variable) or Path.home() / unix_default) / name

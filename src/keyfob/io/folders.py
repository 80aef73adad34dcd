"""The platform's folders for application files."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def platform_folder(variable: str, name: str, *, unix_variable: str, unix_default: str) -> Path:
    """Return an application's folder.

    Args:
        variable: The environment variable that overrides the folder.
        name: The folder's name.
        unix_variable: The variable of the XDG base directory specification that names the parent folder.
        unix_default: The parent folder, relative to the home folder, if `unix_variable` is not set.
    """
    chosen = os.environ.get(variable)
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / name
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / name
    return Path(os.environ.get(unix_variable) or Path.home() / unix_default) / name

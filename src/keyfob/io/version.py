"""The version of the installed package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return the version of keyfob, or "" if it runs from source and is not installed."""
    try:
        return version("keyfob")
    except PackageNotFoundError:
        return ""

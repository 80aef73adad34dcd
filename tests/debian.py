"""Servers of Debian that `make test` has unpacked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.find_debian import PROGRAMS, libraries


def unpacked(name: str) -> tuple[Path, str, dict[str, str]]:
    """Return the folder of a server, its program and the environment that it needs; else skip the test."""
    folder = Path(os.environ.get("KEYFOB_TEST_DEBIAN", "/nowhere"), name)
    if not folder.is_dir():
        pytest.skip(f"no {name} in KEYFOB_TEST_DEBIAN: `make test` brings it where there is apt")
    return folder, str(folder / PROGRAMS[name].path), {"LD_LIBRARY_PATH": libraries(folder)}

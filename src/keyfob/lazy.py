"""What a door shows is loaded when it is asked for: who wants one name does not pay for all (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def shows(door: str, homes: Mapping[str, tuple[str, ...]]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Make a door's `__getattr__` and `__dir__`.

    Type checkers look into neither: beside the call stand the same imports under `TYPE_CHECKING`, and a test holds the
    two together.

    Args:
        door: Its `__name__`.
        homes: Modules, and the names of each that the door shows.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> object:
        if name not in home_of:
            msg = f"module {door!r} has no attribute {name!r}"
            raise AttributeError(msg)
        found: object = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[door], name, found)  # asked for once
        return found

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[door]), *home_of})

    return get, listed

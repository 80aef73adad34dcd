"""Lazy attribute loading for the public modules (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def shows(module: str, homes: Mapping[str, tuple[str, ...]]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a public module.

    Type checkers read neither: beside the call stand the same imports under `TYPE_CHECKING`, and a test compares them.

    Args:
        module: Its `__name__`.
        homes: Modules, and the public names that are defined in each.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> object:
        if name not in home_of:
            msg = f"module {module!r} has no attribute {name!r}"
            raise AttributeError(msg)
        found: object = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[module], name, found)  # looked up once
        return found

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[module]), *home_of})

    return get, listed

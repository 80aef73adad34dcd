"""Lazy attribute loading for the public modules (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def shows(public: str, homes: Mapping[str, tuple[str, ...]]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return a public module's `__getattr__` and `__dir__`.

    Type checkers read neither, so the module also has the same imports under `TYPE_CHECKING`. A test compares the two.

    Args:
        public: The `__name__` of the public module.
        homes: The names to load, by the module that defines them.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> object:
        if name not in home_of:
            msg = f"module {public!r} has no attribute {name!r}"
            raise AttributeError(msg)
        found: object = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[public], name, found)  # the next access does not come here
        return found

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[public]), *home_of})

    return get, listed

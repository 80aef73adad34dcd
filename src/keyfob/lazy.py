"""Load the names of the public modules (PEP 562), and some whole modules, on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

TYPE_CHECKING = False  # checkers take it for true; importing typing takes longer than all the rest
if TYPE_CHECKING:
    from typing import Any


def shows(public: str, homes: Mapping[str, tuple[str, ...]]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return a public module's `__getattr__` and `__dir__`.

    Type checkers read neither function, so the public module repeats the imports under `TYPE_CHECKING`. A test compares
    those imports with `homes`.

    Args:
        public: The `__name__` of the public module.
        homes: For each defining module, the names to load from it.
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


class LazyModule:
    """A module that is imported when one of its names is first used.

    Type checkers do not see this import, so the same module is imported under `TYPE_CHECKING`:

        if TYPE_CHECKING:
            from keyfob.jose import key_formats
        else:
            key_formats = LazyModule("keyfob.jose.key_formats")  # loads joserfc: 60 ms
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401  any name of the module
        return getattr(import_module(self._name), attribute)

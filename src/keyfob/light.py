"""Dataclasses that only type checkers see as frozen, for classes of which each request creates several values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

__all__ = ["light_dataclass"]
T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as light_dataclass
else:

    def light_dataclass(*, frozen: bool, slots: bool = False, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
        """Return a `dataclass` decorator whose classes do not refuse assignments at run time.

        A frozen dataclass calls `object.__setattr__` for each field, which takes four times as long as an assignment.
        These classes use assignments. Only mypy and pyright, which see `dataclass(frozen=True)`, refuse assignments to
        their fields. Equality, hash and `replace` are those of a frozen dataclass. The classes of settings use the
        ordinary `dataclass(frozen=True)`.
        """
        assert frozen, "a light dataclass is frozen for type checkers"  # noqa: S101
        return dataclass(slots=slots, kw_only=kw_only, unsafe_hash=True)

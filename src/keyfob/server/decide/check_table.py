"""A table of checks. The checks run in the order of the rows, and all checks of one column use the same facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar, cast

from keyfob.server.wire import Outcome

C = TypeVar("C")
F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Cell(Generic[F]):
    """One check in one column: the condition under which it fails, and the outcome in that case."""

    fails: Callable[[F], bool]
    outcome: Outcome


class FailedCheck(NamedTuple):
    """The first check that failed: the name of its row, and its outcome."""

    row: str
    outcome: Outcome


Column = tuple[tuple[Callable[[F], bool], FailedCheck], ...]


def column(rows: Iterable[tuple[str, Cell[F] | tuple[Cell[F], ...] | None]]) -> Column[F]:
    """Return the checks of one column, in the order of the rows.

    Each check is a pair: the condition under which it fails, and the `FailedCheck` to return in that case. A row may
    have no check in the column, one check, or several.
    """
    return tuple((cell.fails, FailedCheck(name, cell.outcome)) for name, cells in rows for cell in cells_of(cells))


def cells_of(cells: C | tuple[C, ...] | None) -> tuple[C, ...]:
    if cells is None:
        return ()
    return cast("tuple[C, ...]", cells) if isinstance(cells, tuple) else (cells,)


def first_failed_check(cells: Column[F], facts: F) -> FailedCheck | None:
    """Run the checks of a column in order. Return the first that fails, or None."""
    for fails, failed in cells:
        if fails(facts):
            return failed
    return None

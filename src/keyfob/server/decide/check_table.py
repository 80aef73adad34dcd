"""A table of checks: rows in the order in which they are made, columns that share the facts they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from keyfob.server.wire import Outcome

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Cell(Generic[F]):
    """One check in one column: when it fails, and what the answer is then."""

    fails: Callable[[F], bool]
    outcome: Outcome


class Refused(NamedTuple):
    """The first check that failed: the name of its row, and its outcome."""

    row: str
    outcome: Outcome


Column = tuple[tuple[str, Cell[F]], ...]


def column(rows: Iterable[tuple[str, Cell[F] | Sequence[Cell[F]] | None]]) -> Column[F]:
    """Return the cells of one column with the names of their rows, in order. Cells of one row exclude each other."""
    return tuple((name, cell) for name, cells in rows for cell in cells_of(cells))


def cells_of(cells: Cell[F] | Sequence[Cell[F]] | None) -> Sequence[Cell[F]]:
    """Return the cells where a row and a column meet."""
    if cells is None:
        return ()
    return (cells,) if isinstance(cells, Cell) else cells


def first_refusal(cells: Column[F], facts: F) -> Refused | None:
    """Make the checks of a column in order. Return the first that fails, or None."""
    for name, cell in cells:
        if cell.fails(facts):
            return Refused(name, cell.outcome)
    return None

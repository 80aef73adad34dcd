"""A table of checks: rows in the order in which they are made, columns that share the facts they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from keyfob.server.wire import Outcome

F = TypeVar("F")
Row = TypeVar("Row")


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


def column(rows: Iterable[tuple[str, Cell[F] | None]]) -> Column[F]:
    """Return the cells of one column with the names of their rows, in order, without the empty ones."""
    return tuple((name, cell) for name, cell in rows if cell is not None)


def first_refusal(cells: Column[F], facts: F) -> Refused | None:
    """Make the checks of a column in order. Return the first that fails, or None."""
    for name, cell in cells:
        if cell.fails(facts):
            return Refused(name, cell.outcome)
    return None

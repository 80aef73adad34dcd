"""Who says whether another person may take the place of whoever is logged in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyfob.client.held import Held

MaySwitch = Callable[["Held", "Held"], bool]


def refuse_switch(_before: Held, _after: Held) -> bool:
    """Nobody may take another's place."""
    return False

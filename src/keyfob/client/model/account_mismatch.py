"""Who says whether another's login may take the place of the last, or of one that is wanted here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyfob.client.model.stored_login import Held

MaySwitch = Callable[["Held", "Held"], bool]
MayAdopt = Callable[["Held"], bool]


def refuse_switch(_before: Held, _after: Held) -> bool:
    """Nobody may take another's place."""
    return False


def adopt_any(_: Held) -> bool:
    """Whatever another process got for the same wishes will do."""
    return True

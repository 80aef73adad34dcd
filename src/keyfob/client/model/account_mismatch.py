"""Who says whether another's login may take the place of the last, or of one that is wanted here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyfob.client.model.stored_login import StoredLogin

MayReplaceAccount = Callable[["StoredLogin", "StoredLogin"], bool]
AcceptsLogin = Callable[["StoredLogin"], bool]


def keep_account(_before: StoredLogin, _after: StoredLogin) -> bool:
    """Nobody may take another's place."""
    return False


def accept_any(_: StoredLogin) -> bool:
    """Whatever another process got for the same wishes will do."""
    return True

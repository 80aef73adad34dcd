"""Account mismatch: callbacks that decide whether a login by another user is accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyfob.client.model.stored_login import StoredLogin

MayReplaceAccount = Callable[["StoredLogin", "StoredLogin"], bool]
AcceptsLogin = Callable[["StoredLogin"], bool]


def keep_account(_before: StoredLogin, _after: StoredLogin) -> bool:
    """Never replace a stored login by that of another user."""
    return False


def accept_any_account(_before: StoredLogin, _after: StoredLogin) -> bool:
    """Replace any stored login: this was decided before."""
    return True


def accept_any(_: StoredLogin) -> bool:
    """Accept any login that another process made for the same request."""
    return True

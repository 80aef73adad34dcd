"""A login's requirements on the authentication (OpenID Connect Core §3.1.2.1, RFC 9470 §4) and on the account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # `from keyfob.login import App` loads this module
    from datetime import timedelta

    from keyfob.client.model.stored_login import StoredLogin
    from keyfob.protocol.fields import Fields

# Called with the stored login and the new one, on an account mismatch.
MayReplaceAccount = Callable[["StoredLogin", "StoredLogin"], bool]
AcceptsLogin = Callable[["StoredLogin"], bool]


@dataclass(frozen=True, slots=True)
class Assurance:
    """The requirements that one login must meet; none by default.

    Attributes:
        acr_values: Acceptable values of `acr`, the preferred value first; () for any.
        max_age: The longest acceptable time since the user's authentication; None for any.
        prompt: Values of the parameter `prompt` for a browser login: login, consent, select_account. Some issuers
            return a refresh token only with consent (OpenID Connect Core §11).
    """

    acr_values: tuple[str, ...] = ()
    max_age: timedelta | None = None
    prompt: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.acr_values or self.prompt) or self.max_age is not None

    def write(self) -> dict[str, object]:
        max_age = None if self.max_age is None else int(self.max_age.total_seconds())
        return {"acr_values": list(self.acr_values), "max_age": max_age}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(fields.texts("acr_values"), fields.optional_seconds("max_age"))


ANY_LOGIN = Assurance()


def keep_account(_before: StoredLogin, _after: StoredLogin) -> bool:
    """Return False: do not replace a stored login by another user's login."""
    return False


def accept_any_account(_before: StoredLogin, _after: StoredLogin) -> bool:
    """Return True: replace the stored login, even by another user's login."""
    return True


def accept_any(_: StoredLogin) -> bool:
    """Return True: accept any login that another process has obtained for the same request."""
    return True

"""How sure a login must be: how it was made, and how long ago (OpenID Connect Core §3.1.2.1, RFC 9470 §4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from keyfob.protocol.fields import Fields


@dataclass(frozen=True, slots=True)
class Assurance:
    """What is asked of one login; nothing, if nobody says.

    Attributes:
        acr_values: One of these, the best first, in the issuer's words.
        max_age: How old it may be.
        prompt: What the issuer's pages are to ask for, through a browser: login, consent, select_account. Some issuers
            give a refresh token only with consent (OpenID Connect Core §11).
    """

    acr_values: tuple[str, ...] = ()
    max_age: timedelta | None = None
    prompt: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is asked."""
        return bool(self.acr_values or self.prompt) or self.max_age is not None

    def write(self) -> dict[str, object]:
        """As members of JSON."""
        max_age = None if self.max_age is None else int(self.max_age.total_seconds())
        return {"acr_values": list(self.acr_values), "max_age": max_age}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """From members of JSON.

        Raises:
            Malformed: They are damaged.
        """
        return cls(fields.texts("acr_values"), fields.optional_seconds("max_age"))


ANY_LOGIN = Assurance()

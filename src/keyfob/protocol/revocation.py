"""Giving a token back (RFC 7009 §2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class RevocationRequest:
    """End this token. Hints are ignored, as RFC 7009 §2.1 allows. `client_id` is "" where other credentials say it."""

    client_id: str
    token: Secret

    def write(self) -> dict[str, str]:
        """As form parameters."""
        own = {"client_id": self.client_id} if self.client_id else {}
        return {**own, "token": self.token.reveal()}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """From form or JSON parameters.

        Raises:
            Malformed: There is no token.
        """
        return cls(fields.optional_text("client_id") or "", Secret(fields.text("token")))

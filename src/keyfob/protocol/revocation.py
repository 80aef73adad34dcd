"""Token revocation (RFC 7009 §2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class RevocationRequest:
    """The revocation request, without `token_type_hint`. `client_id` is "" if it is in the client credentials."""

    client_id: str
    token: Secret

    def write(self) -> dict[str, str]:
        own = {"client_id": self.client_id} if self.client_id else {}
        return {**own, "token": self.token.reveal()}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(fields.optional_text("client_id") or "", Secret(fields.text("token")))

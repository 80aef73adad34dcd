"""Token introspection (RFC 7662 §2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from keyfob.errors import Malformed
from keyfob.protocol.claims import read_confirmation
from keyfob.protocol.fields import Fields
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class IntrospectionRequest:
    """The introspection request, without the caller's credentials (§2.1)."""

    token: Secret

    def write(self) -> dict[str, str]:
        return {"token": self.token.reveal(), "token_type_hint": "access_token"}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(Secret(fields.text("token")))


@dataclass(frozen=True, slots=True)
class IntrospectionAnswer:
    """The introspection response for an active token. Every member is optional, even the audience (§2.2).

    Attributes:
        audience: () if absent.
        token_type: `Bearer` or `DPoP`; "" if absent.
        members: All members of the response.
    """

    issuer: str
    subject: str
    audience: tuple[str, ...]
    client_id: str
    scope: Scope
    permissions: tuple[str, ...]
    token_type: str
    issued_at: datetime | None
    expires_at: datetime | None
    not_before: datetime | None
    auth_time: datetime | None
    acr: str | None
    key_thumbprint: str | None
    certificate_thumbprint: str | None
    members: Fields

    @classmethod
    def read(cls, fields: Fields) -> Self | None:
        """Parse the response. Return None if the token is not active.

        Raises:
            Malformed: `active` is neither `true` nor `false`, or another member is wrong.
        """
        if not isinstance(fields.values.get("active"), bool):
            raise Malformed("introspection: active is not a boolean", field="active")
        if fields.values["active"] is not True:
            return None
        key_thumbprint, certificate_thumbprint = read_confirmation(fields)
        return cls(
            issuer=fields.optional_text("iss") or "",
            subject=fields.optional_text("sub") or "",
            audience=fields.text_or_texts("aud"),
            client_id=fields.optional_text("client_id") or "",
            scope=Scope.optional(fields) or Scope(),
            permissions=fields.texts("permissions"),
            token_type=fields.optional_text("token_type") or "",
            issued_at=fields.optional_time("iat"),
            expires_at=fields.optional_time("exp"),
            not_before=fields.optional_time("nbf"),
            auth_time=fields.optional_time("auth_time"),
            acr=fields.optional_text("acr"),
            key_thumbprint=key_thumbprint,
            certificate_thumbprint=certificate_thumbprint,
            members=fields,
        )

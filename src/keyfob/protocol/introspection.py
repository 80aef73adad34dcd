"""Asking the issuer about a token (RFC 7662 §2)."""

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
    """Is this an access token that lives? Who asks proves it beside this (§2.1)."""

    token: Secret

    def write(self) -> dict[str, str]:
        """As form parameters."""
        return {"token": self.token.reveal(), "token_type_hint": "access_token"}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """From form parameters. The hint is not needed (§2.1).

        Raises:
            Malformed: There is no token.
        """
        return cls(Secret(fields.text("token")))


@dataclass(frozen=True, slots=True)
class IntrospectionAnswer:
    """What the issuer knows of a token that lives. All is optional (§2.2), so nothing here says that it is for us.

    Attributes:
        audience: () where the issuer does not tell.
        token_type: As the token answer names it, `Bearer` or `DPoP`; "" where the issuer does not tell.
        members: All that it said.
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
        """From the answer's JSON; None where it says anything but that the token lives: `true`, and nothing like it.

        Raises:
            Malformed: A member has the wrong type.
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

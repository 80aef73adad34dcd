"""Messages to add, list and choose the second factors of a password login (Auth0's MFA API)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A request to add a second factor. `factor` is None if the requested kind is not supported."""

    factor: Literal["otp", "email"] | None

    def write(self) -> dict[str, object]:
        if self.factor == "otp":
            return {"authenticator_types": ["otp"]}
        return {"authenticator_types": ["oob"], "oob_channels": ["email"]}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        kinds, channels = fields.texts("authenticator_types"), fields.texts("oob_channels")
        if not kinds:
            raise Malformed("request: authenticator_types is missing", field="authenticator_types")
        if kinds == ("otp",):
            return cls("otp")
        return cls("email" if kinds == ("oob",) and channels == ("email",) else None)


@dataclass(frozen=True, slots=True)
class Factor:
    """One second factor of a user, as /mfa/authenticators lists it.

    Attributes:
        channel: How a code is sent: sms, voice, email or auth0; "" if no code is sent.
        name: The recipient of the code, masked by the server; "" if absent.
    """

    authenticator_id: str
    kind: Literal["otp", "oob", "recovery-code"]
    is_active: bool
    channel: str = ""
    name: str = ""

    @property
    def words(self) -> str:
        """A description for the user."""
        if self.kind == "otp":
            return "code from an authenticator"
        if self.kind == "recovery-code":
            return "recovery code"
        how = {"email": "e-mail", "auth0": "approve in an app", "voice": "call", "sms": "text message"}
        return f"{how.get(self.channel, 'message')}{f' to {self.name}' if self.name else ''}"

    @classmethod
    def find(cls, fields: Fields) -> Self | None:
        """Parse JSON members. Return None for an unknown kind of factor."""
        kind = fields.text("authenticator_type")
        known: Literal["otp", "oob", "recovery-code"] | None = None
        if kind == "otp":
            known = "otp"
        elif kind == "oob":
            known = "oob"
        elif kind == "recovery-code":
            known = "recovery-code"
        if known is None:
            return None
        channel, name = fields.optional_text("oob_channel") or "", fields.optional_text("name") or ""
        return cls(fields.text("id"), known, fields.values.get("active") is True, channel, name)


@dataclass(frozen=True, slots=True)
class ChallengeRequest:
    """A request for a challenge. `kinds` are `otp` and `oob`, the preferred kind first; () lets the server choose."""

    mfa_token: Secret
    kinds: tuple[str, ...] = ()
    authenticator_id: str | None = None

    def write(self) -> dict[str, object]:
        members = {
            "mfa_token": self.mfa_token.reveal(),
            "challenge_type": " ".join(self.kinds),
            "authenticator_id": self.authenticator_id,
        }
        return {name: value for name, value in members.items() if value}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        kinds = tuple((fields.optional_text("challenge_type") or "").split())
        return cls(Secret(fields.text("mfa_token")), kinds, fields.optional_text("authenticator_id"))

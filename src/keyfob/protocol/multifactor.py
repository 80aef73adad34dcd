"""The second step of a password login (Auth0's MFA API): add a factor, choose a factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """Add a second factor: `otp`, or a message by `email`; None for a kind we do not have."""

    factor: Literal["otp", "email"] | None

    def write(self) -> dict[str, object]:
        """As JSON members."""
        if self.factor == "otp":
            return {"authenticator_types": ["otp"]}
        return {"authenticator_types": ["oob"], "oob_channels": ["email"]}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """From JSON members.

        Raises:
            Malformed: The kinds are missing or no list.
        """
        kinds, channels = fields.texts("authenticator_types"), fields.texts("oob_channels")
        if not kinds:
            raise Malformed("request: authenticator_types is missing", field="authenticator_types")
        if kinds == ("otp",):
            return cls("otp")
        return cls("email" if kinds == ("oob",) and channels == ("email",) else None)


@dataclass(frozen=True, slots=True)
class ChallengeRequest:
    """Choose the second factor. `kinds` are `otp` and `oob`, the preferred one first; () leaves it to the server."""

    mfa_token: Secret
    kinds: tuple[str, ...] = ()
    authenticator_id: str | None = None

    def write(self) -> dict[str, object]:
        """As JSON members."""
        members = {
            "mfa_token": self.mfa_token.reveal(),
            "challenge_type": " ".join(self.kinds),
            "authenticator_id": self.authenticator_id,
        }
        return {name: value for name, value in members.items() if value}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """From form or JSON parameters.

        Raises:
            Malformed: There is no mfa_token.
        """
        kinds = tuple((fields.optional_text("challenge_type") or "").split())
        return cls(Secret(fields.text("mfa_token")), kinds, fields.optional_text("authenticator_id"))

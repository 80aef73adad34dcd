"""The first leg of a device login (RFC 8628 §3.1-3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.target import ANY, Target

DEFAULT_INTERVAL: Final = timedelta(seconds=5)  # RFC 8628 §3.2, where the server names none
LONGEST_INTERVAL: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A program asks for a pair of codes (RFC 8628 §3.1).

    Attributes:
        client_id: Whose they will be; "" where other credentials say it.
        acr_values: How sure the login must be, and `max_age`: how old it may be. They are OpenID Connect's (Core
            §3.1.2.1); a server that does not know them passes them over (RFC 8628 §3.1).
        code_challenge: Binds the device code to its program (RFC 7636 §4.3), where the server can do that.
    """

    client_id: str
    scope: Scope = Scope()
    target: Target = ANY
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    acr_values: tuple[str, ...] = ()
    max_age: timedelta | None = None

    def write(self) -> dict[str, str]:
        """As form parameters, without empty ones (RFC 8628 §3.1)."""
        parameters = {
            "client_id": self.client_id,
            "scope": self.scope.write(),
            **self.target.write(),
            "code_challenge": self.code_challenge,
            "code_challenge_method": self.code_challenge_method,
            "acr_values": " ".join(self.acr_values),
            "max_age": None if self.max_age is None else str(int(self.max_age.total_seconds())),
        }
        return {name: value for name, value in parameters.items() if value}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """From form or JSON parameters.

        Raises:
            Malformed: `client_id` is missing, or something is not what it should be.
        """
        return cls(
            client_id=fields.text("client_id"),
            scope=Scope.optional(fields) or Scope(),
            target=Target.read(fields),
            code_challenge=fields.optional_text("code_challenge"),
            code_challenge_method=fields.optional_text("code_challenge_method"),
            acr_values=tuple((fields.optional_text("acr_values") or "").split()),
            max_age=fields.optional_seconds("max_age"),
        )


@dataclass(frozen=True, slots=True)
class DeviceAnswer:
    """The codes, where to enter one of them, and how often to ask (RFC 8628 §3.2)."""

    device_code: Secret
    user_code: str
    verification_uri: str
    expires_in: timedelta
    interval: timedelta = DEFAULT_INTERVAL
    verification_uri_complete: str | None = None

    def write(self) -> dict[str, object]:
        """As JSON members."""
        members: dict[str, object] = {
            "device_code": self.device_code.reveal(),
            "user_code": self.user_code,
            "verification_uri": self.verification_uri,
            "verification_uri_complete": self.verification_uri_complete,
            "expires_in": int(self.expires_in.total_seconds()),
            "interval": int(self.interval.total_seconds()),
        }
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """From JSON members; unknown ones are ignored.

        Raises:
            Malformed: A required member is missing or of the wrong kind; an address is not http(s).
        """
        interval = fields.optional_seconds("interval")
        if interval is not None and interval > LONGEST_INTERVAL:
            raise Malformed(f"{fields.what}: interval is out of range", field="interval")
        return cls(
            device_code=Secret(fields.text("device_code")),
            user_code=fields.text("user_code"),
            # Google and early servers say verification_url.
            verification_uri=fields.optional_url("verification_uri") or fields.url("verification_url"),
            expires_in=fields.seconds("expires_in"),
            interval=DEFAULT_INTERVAL if interval is None else interval,
            verification_uri_complete=fields.optional_url("verification_uri_complete"),
        )

"""The token request: one union, a member for each grant (RFC 6749 §4, §6, RFC 8628 §3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, assert_never

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH_TOKEN: Final = "refresh_token"


@dataclass(frozen=True, slots=True)
class DeviceCodeGrant:
    """Has the person decided yet (RFC 8628 §3.4)?"""

    device_code: Secret


@dataclass(frozen=True, slots=True)
class RefreshGrant:
    """A refresh token for new tokens (RFC 6749 §6); `scope` None means "as before"."""

    refresh_token: Secret
    scope: Scope | None = None


Grant = DeviceCodeGrant | RefreshGrant


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Who asks, and with what."""

    client_id: str
    grant: Grant

    def write(self) -> dict[str, str]:
        """As form parameters."""
        return {"client_id": self.client_id, **_write_grant(self.grant)}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """From form or JSON parameters.

        Raises:
            Malformed: A parameter is missing; with code `unsupported-grant` the grant is one we do not know.
        """
        grant_type = fields.text("grant_type")
        return cls(grant=_read_grant(grant_type, fields), client_id=fields.text("client_id"))


def _write_grant(grant: Grant) -> dict[str, str]:
    match grant:
        case DeviceCodeGrant():
            return {"grant_type": DEVICE_CODE, "device_code": grant.device_code.reveal()}
        case RefreshGrant():
            written = {"grant_type": REFRESH_TOKEN, "refresh_token": grant.refresh_token.reveal()}
            return written | ({"scope": grant.scope.write()} if grant.scope else {})
        case _:  # pragma: no cover
            assert_never(grant)


def _read_grant(grant_type: str, fields: Fields) -> Grant:
    if grant_type == DEVICE_CODE:
        return DeviceCodeGrant(Secret(fields.text("device_code")))
    if grant_type == REFRESH_TOKEN:
        scope = fields.optional_text("scope")
        return RefreshGrant(Secret(fields.text("refresh_token")), None if scope is None else Scope.read(scope))
    raise Malformed("token request: grant_type is not supported", field="grant_type", code="unsupported-grant")

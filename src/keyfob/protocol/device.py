"""Device authorization request and response (RFC 8628 §3.1-3.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Self

from keyfob.errors import Malformed
from keyfob.light import light_dataclass
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.http import Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.target import ANY, Target

LONGEST_FACT: Final = 64  # the most characters of `device_name` or `device_system`
DEFAULT_INTERVAL: Final = timedelta(seconds=5)  # RFC 8628 §3.2
LONGEST_INTERVAL: Final = timedelta(minutes=5)


@light_dataclass(frozen=True, slots=True)
class DeviceRequest:
    """The device authorization request (RFC 8628 §3.1).

    Attributes:
        client_id: The client id; "" if the request's client credentials contain the id instead.
        acr_values: A parameter of OpenID Connect, like `max_age` (Core §3.1.2.1). A server that does not support it in
            a device authorization request ignores it (RFC 8628 §3.1).
        code_challenge: A challenge, so that only this client can redeem the device code (RFC 7636 §4.3). A server that
            does not support this ignores it.
        device_name: The name of the client's computer, which the page shows to the user who approves. The name is not
            verified. This is a parameter of keyfob, which is sent only if the server's metadata has
            `device_facts_supported`.
        device_system: The operating system of the client's computer. It is sent and shown as `device_name` is.
    """

    client_id: str
    scope: Scope = Scope()
    target: Target = ANY
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    acr_values: tuple[str, ...] = ()
    max_age: timedelta | None = None
    device_name: str = ""
    device_system: str = ""

    def write(self) -> dict[str, str]:
        parameters = {
            "client_id": self.client_id,
            "scope": self.scope.write(),
            **self.target.write(),
            "code_challenge": self.code_challenge,
            "code_challenge_method": self.code_challenge_method,
            "acr_values": " ".join(self.acr_values),
            "max_age": None if self.max_age is None else str(int(self.max_age.total_seconds())),
            "device_name": self.device_name,
            "device_system": self.device_system,
        }
        return {name: value for name, value in parameters.items() if value}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(
            client_id=fields.text("client_id"),
            scope=Scope.optional(fields) or Scope(),
            target=Target.read(fields),
            code_challenge=fields.optional_text("code_challenge"),
            code_challenge_method=fields.optional_text("code_challenge_method"),
            acr_values=tuple((fields.optional_text("acr_values") or "").split()),
            max_age=fields.optional_seconds("max_age"),
            device_name=_fact(fields, "device_name"),
            device_system=_fact(fields, "device_system"),
        )


@light_dataclass(frozen=True, slots=True)
class NumberAsked:
    """A pending response that requires the number from the approval page. This is an extension of keyfob.

    Attributes:
        tries_left: How many attempts remain after a wrong number; None if the response does not contain this.
    """

    tries_left: int | None = None

    @classmethod
    def find(cls, response: Response) -> Self | None:
        """Parse a response's body. Return None if the response does not require a number."""
        try:
            fields = read_json(response.body, "pending answer")
        except Malformed:
            return None
        left = fields.values.get("number_tries_left")
        return cls(left if isinstance(left, int) else None) if fields.values.get("number_required") is True else None


def read_number(typed: Secret) -> Secret | None:
    """Return the digits of a typed number without separators, or None if the text is not a number."""
    digits = "".join(letter for letter in typed.reveal() if letter not in " -\t")
    return Secret(digits) if digits.isascii() and digits.isdigit() else None


def _fact(fields: Fields, name: str) -> str:
    """Return a claimed name as one short line. Remove characters that are unprintable or change the text direction."""
    claimed = fields.optional_text(name)
    if claimed is None:
        return ""
    kept = "".join([letter for letter in claimed if letter.isprintable()])
    return " ".join(kept.split())[:LONGEST_FACT]


@light_dataclass(frozen=True, slots=True)
class DeviceAnswer:
    """The device authorization response (RFC 8628 §3.2)."""

    device_code: Secret
    user_code: str
    verification_uri: str
    expires_in: timedelta
    interval: timedelta = DEFAULT_INTERVAL
    verification_uri_complete: str | None = None

    def write(self) -> dict[str, object]:
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
        interval = fields.optional_seconds("interval")
        if interval is not None and interval > LONGEST_INTERVAL:
            raise Malformed(f"{fields.what}: interval is out of range", field="interval")
        return cls(
            device_code=Secret(fields.text("device_code")),
            user_code=fields.text("user_code"),
            # Google, and servers of early drafts, send `verification_url` in place of `verification_uri`.
            verification_uri=fields.optional_url("verification_uri") or fields.url("verification_url"),
            expires_in=fields.seconds("expires_in"),
            interval=DEFAULT_INTERVAL if interval is None else interval,
            verification_uri_complete=fields.optional_url("verification_uri_complete"),
        )

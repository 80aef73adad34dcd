"""Authorization request and response (RFC 6749 §4.1.1-4.1.2, OpenID Connect Core §3.1.2.1, RFC 9207)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self
from urllib.parse import urlencode

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields
from keyfob.protocol.scope import Scope
from keyfob.protocol.target import ANY, Target


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """The authorization request.

    Attributes:
        prompt: Any of none, login, consent, select_account (OpenID Connect Core §3.1.2.1).
        max_age: The greatest allowed time since the user's authentication.
        acr_values: The acceptable values of `acr`, the preferred value first (§3.1.2.1, RFC 9470 §4).
        key_thumbprint: `dpop_jkt`: only the DPoP key with this thumbprint may redeem the code (RFC 9449 §10).
        ui_locales: The languages for the pages, the preferred language first (§3.1.2.1).
    """

    client_id: str
    redirect_uri: str
    response_type: str = "code"
    scope: Scope = Scope()
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    response_mode: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: timedelta | None = None
    login_hint: str | None = None
    connection: str | None = None
    target: Target = ANY
    key_thumbprint: str | None = None
    acr_values: tuple[str, ...] = ()
    ui_locales: tuple[str, ...] = ()

    def write(self) -> dict[str, str]:
        parameters = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": self.response_type,
            "scope": self.scope.write(),
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.code_challenge,
            "code_challenge_method": self.code_challenge_method,
            "response_mode": self.response_mode,
            "prompt": " ".join(self.prompt),
            "max_age": None if self.max_age is None else str(int(self.max_age.total_seconds())),
            "login_hint": self.login_hint,
            "connection": self.connection,
            "dpop_jkt": self.key_thumbprint,
            "acr_values": " ".join(self.acr_values),
            "ui_locales": " ".join(self.ui_locales),
            **self.target.write(),
        }
        return {name: value for name, value in parameters.items() if value}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Parse the parameters. The caller has checked that `client_id` and `redirect_uri` are present."""
        return cls(
            client_id=fields.text("client_id"),
            redirect_uri=fields.text("redirect_uri"),
            response_type=fields.text("response_type"),
            scope=Scope.optional(fields) or Scope(),
            state=fields.optional_text("state"),
            nonce=fields.optional_text("nonce"),
            code_challenge=fields.optional_text("code_challenge"),
            code_challenge_method=fields.optional_text("code_challenge_method"),
            response_mode=fields.optional_text("response_mode"),
            prompt=_read_prompt(fields),
            max_age=fields.optional_seconds("max_age"),
            login_hint=fields.optional_text("login_hint"),
            connection=fields.optional_text("connection"),
            target=Target.read(fields),
            key_thumbprint=fields.optional_text("dpop_jkt"),
            acr_values=tuple((fields.optional_text("acr_values") or "").split()),
            ui_locales=tuple((fields.optional_text("ui_locales") or "").split()),
        )


def _read_prompt(fields: Fields) -> tuple[str, ...]:
    words = tuple((fields.optional_text("prompt") or "").split())
    if not set(words) <= {"none", "login", "consent", "select_account"}:
        raise Malformed("request: prompt is none that we know", field="prompt")
    if "none" in words and len(words) > 1:
        raise Malformed("request: prompt none stands alone", field="prompt")
    return words


@dataclass(frozen=True, slots=True)
class AuthorizationAnswer:
    """The authorization response: a code or an error (RFC 6749 §4.1.2)."""

    state: str | None = None
    code: str | None = None
    error: str | None = None
    description: str | None = None
    issuer: str | None = None

    def write(self) -> dict[str, str]:
        parameters = {
            "code": self.code,
            "error": self.error,
            "error_description": self.description,
            "state": self.state,
            "iss": self.issuer,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        code, error = fields.optional_text("code"), fields.optional_text("error")
        if (code is None) == (error is None):
            raise Malformed("authorization answer: neither a code nor an error", field="code")
        description = fields.optional_text("error_description")
        return cls(fields.optional_text("state"), code, error, description, fields.optional_text("iss"))

    def address(self, redirect_uri: str) -> str:
        """Return the redirect URI with the response added to its query (RFC 6749 §3.1.2)."""
        joint = "&" if "?" in redirect_uri else "?"
        return f"{redirect_uri}{joint}{urlencode(self.write())}"

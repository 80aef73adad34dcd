"""The messages between a program and `keyfob agent`: a JSON request and a JSON answer (docs/agent.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Self, cast

from keyfob.client.model.profile import check_name
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import (
    CODES,
    Code,
    KeyfobError,
    LoginRequired,
    Malformed,
    Misuse,
    Refused,
    Unreachable,
    VaultUnavailable,
)
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.scope import Scope

VERSION: Final = 1
LARGEST_REQUEST: Final = 4 * 1024
LARGEST_ANSWER: Final = 256 * 1024
_ERRORS: Final[dict[int, type[KeyfobError]]] = {
    kind.exit: kind for kind in (Misuse, Refused, LoginRequired, Unreachable, VaultUnavailable)
}


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """A program's request to `keyfob agent` for an access token.

    The request must match exactly one of the logins that the agent offers. An attribute that is None matches any login.

    Attributes:
        profile: The profile's name in the agent's vault.
        scope: The scope that the token must have.
    """

    profile: str | None = None
    issuer: str | None = None
    client_id: str | None = None
    audience: str | None = None
    scope: Scope = Scope()

    def write(self) -> bytes:
        members = {
            "version": VERSION,
            "profile": self.profile,
            "issuer": self.issuer,
            "client_id": self.client_id,
            "audience": self.audience,
            "scope": self.scope.write(),
        }
        return json.dumps({name: value for name, value in members.items() if value}).encode()

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Parse a request.

        Raises:
            Malformed: `raw` is not a request, or has another version.
            Misuse: The profile's name is not valid.
        """
        fields = read_json(raw, "agent request")
        fields.check_version((VERSION,))
        profile = fields.optional_text("profile")
        if profile is not None:
            check_name(profile)
        return cls(
            profile=profile,
            issuer=fields.optional_text("issuer"),
            client_id=fields.optional_text("client_id"),
            audience=fields.optional_text("audience"),
            scope=Scope.optional(fields) or Scope(),
        )


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """The agent's answer: a login with its access token, but without a refresh token or a DPoP key.

    Attributes:
        is_resource: Whether the login's audience is a resource URI (RFC 8707).
    """

    profile: str
    login: StoredLogin
    is_resource: bool = False

    def write(self) -> bytes:
        login = cast("dict[str, object]", json.loads(self.login.write()))
        return json.dumps(
            {
                "version": VERSION,
                "profile": self.profile,
                "is_resource": self.is_resource,
                "login": login,
            }
        ).encode()

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Parse an answer.

        Raises:
            Malformed: `raw` is not an answer, or has another version.
            KeyfobError: The agent answered with this error.
        """
        fields = read_json(raw, "agent answer")
        fields.check_version((VERSION,))
        problem, login = fields.values.get("error"), fields.values.get("login")
        if isinstance(problem, dict):
            raise _read_error(Fields(cast("dict[str, object]", problem), "agent answer"))
        if not isinstance(login, dict):
            raise Malformed("agent answer: login is missing", field="login")
        name = fields.text("profile")
        check_name(name)
        return cls(
            name,
            StoredLogin.read(json.dumps(login).encode()),
            is_resource=fields.values.get("is_resource") is True,
        )


def write_error(problem: KeyfobError) -> bytes:
    """Return the agent's answer that reports an error."""
    members = {"code": problem.code, "message": problem.message, "hint": problem.hint_with_flags, "exit": problem.exit}
    return json.dumps({"version": VERSION, "error": members}).encode()


def _read_error(fields: Fields) -> KeyfobError:
    kind = _ERRORS.get(cast(int, fields.values.get("exit")), VaultUnavailable)
    code = fields.optional_text("code")
    known: Code | None = next((one for one in CODES if one == code), None)
    message = fields.optional_text("message") or "it gave no reason"
    hint = fields.optional_text("hint") or ""
    return kind(f"the agent: {message}", hint=f"Where the agent runs: {hint}" if hint else "", code=known)

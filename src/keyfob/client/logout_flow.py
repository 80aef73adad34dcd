"""End a login at the server, and say what is still alive (RFC 7009)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyfob.client.asks import Flow, now
from keyfob.client.held import Held
from keyfob.client.program import Program, post
from keyfob.errors import KeyfobError
from keyfob.protocol.revocation import RevocationRequest
from keyfob.protocol.secret import Secret

_OK: Final = 200


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """What became of a login.

    Attributes:
        revoked: Whether the server confirmed that the refresh token is dead; None where there was none to end.
        problem: Why not, in words; "" otherwise.
        alive_until: When the access token lapses; it cannot be called back. None when it already has, or where
            nobody knows.
        is_alive: Whether the access token may still be used.
    """

    revoked: bool | None
    problem: str
    alive_until: datetime | None
    is_alive: bool


def log_out(held: Held, program: Program) -> Flow[LoggedOut]:
    """Revoke. Never raises for the server's sake: the caller forgets the tokens whatever happens."""
    moment = (yield from now()).wall
    is_alive = held.expires_at is None or held.expires_at > moment
    alive = held.expires_at if is_alive else None
    if held.refresh_token is None:
        return LoggedOut(None, "", alive, is_alive)
    revoked, problem = yield from _revoke(held, held.refresh_token, program)
    return LoggedOut(revoked, problem, alive, is_alive)


def _revoke(held: Held, token: Secret, program: Program) -> Flow[tuple[bool, str]]:
    if held.revocation_endpoint is None:
        return False, "it offers no revocation"
    try:
        response = yield from post(program, held.revocation_endpoint, RevocationRequest("", token).write())
    except KeyfobError as problem:
        return False, problem.message
    if response.status != _OK:
        return False, f"it answered {response.status}"
    return True, ""

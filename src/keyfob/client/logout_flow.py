"""End a login at the server, and say what is still alive (RFC 7009)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyfob.client.asks import Flow, now, send
from keyfob.client.held import Held
from keyfob.errors import KeyfobError
from keyfob.protocol.http import form_request
from keyfob.protocol.revocation import RevocationRequest

_OK: Final = 200


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """What became of a login.

    Attributes:
        revoked: Whether the server confirmed that the refresh token is dead; None where there was none to end.
        problem: Why not, in words; "" otherwise.
        alive_until: When the access token lapses; it cannot be called back. None when it already has.
    """

    revoked: bool | None
    problem: str
    alive_until: datetime | None


def log_out(held: Held) -> Flow[LoggedOut]:
    """Revoke. Never raises for the server's sake: the caller forgets the tokens whatever happens."""
    moment = (yield from now()).wall
    alive = held.expires_at if held.expires_at is None or held.expires_at > moment else None
    if held.refresh_token is None:
        return LoggedOut(None, "", alive)
    if held.revocation_endpoint is None:
        return LoggedOut(revoked=False, problem="the server offers no revocation", alive_until=alive)
    request = RevocationRequest(held.client_id, held.refresh_token)
    try:
        response = yield from send(form_request(held.revocation_endpoint, request.write()))
    except KeyfobError as problem:
        return LoggedOut(revoked=False, problem=problem.message, alive_until=alive)
    if response.status != _OK:
        return LoggedOut(revoked=False, problem=f"the server answered {response.status}", alive_until=alive)
    return LoggedOut(revoked=True, problem="", alive_until=alive)

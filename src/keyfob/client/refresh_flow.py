"""Trade the refresh token for new tokens; keep the old one when no new one comes (RFC 6749 §6)."""

from __future__ import annotations

from typing import Final

from keyfob.client.asks import Flow, now, send
from keyfob.client.held import Held
from keyfob.errors import LoginRequired, Refused, Unreachable
from keyfob.protocol.fields import read_json
from keyfob.protocol.grants import RefreshGrant, TokenRequest
from keyfob.protocol.http import form_request
from keyfob.protocol.oauth_error import INVALID_GRANT, OAuthError
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer

_OK: Final = 200
_TOO_MANY: Final = 429
_SERVER_FAULT: Final = 500


def refresh(held: Held, refresh_token: Secret) -> Flow[Held]:
    """Ask once; never twice, since a refresh token may be for one use.

    Args:
        held: The login.
        refresh_token: Its refresh token.

    Returns:
        The login with new tokens, to be kept at once.

    Raises:
        LoginRequired: The server does not know the refresh token any more.
        Refused: Another refusal; the refresh token may still be good.
        Unreachable: No usable answer; the refresh token may still be good.
        Malformed: Tokens came, but not as they should.
    """
    request = TokenRequest(held.client_id, RefreshGrant(refresh_token))
    response = yield from send(form_request(held.token_endpoint, request.write()))
    if response.status == _OK:
        answer = TokenAnswer.read(read_json(response.body, "token answer"))
        return held.refreshed(answer, (yield from now()).wall)
    error = OAuthError.find(response)
    if error is not None and error.error == INVALID_GRANT:
        raise LoginRequired("the login has ended", oauth_code=error.error, hint="Run: keyfob login")
    if response.status >= _SERVER_FAULT or response.status == _TOO_MANY:
        raise Unreachable(f"the server answers {response.status} at the moment", hint="Try again.")
    code = error.error if error else ""
    raise Refused(f"the server does not refresh this login ({code or response.status})", oauth_code=code)

"""Trade the refresh token for new tokens; keep the old one when no new one comes (RFC 6749 §6)."""

from __future__ import annotations

from keyfob.client.asks import Flow, now
from keyfob.client.auth.client_auth import Program, ask_for_tokens
from keyfob.client.auth.token_response import OK, read_tokens
from keyfob.client.model.stored_login import Held
from keyfob.errors import LoginRequired, Refused
from keyfob.protocol.grants import RefreshGrant
from keyfob.protocol.oauth_error import INVALID_GRANT, OAuthError
from keyfob.protocol.secret import Secret


def refresh(held: Held, refresh_token: Secret, program: Program) -> Flow[Held]:
    """Ask once; never twice, since a refresh token may be for one use.

    Args:
        held: The login.
        refresh_token: Its refresh token.
        program: Who asks.

    Returns:
        The login with new tokens, to be kept at once.

    Raises:
        LoginRequired: The server does not know the refresh token any more.
        Refused: Another refusal; the refresh token may still be good.
        Unreachable: No usable answer; the refresh token may still be good.
        Malformed: Tokens came, but not as they should.
        InvalidToken: The ID token with them is about somebody else.
    """
    response = yield from ask_for_tokens(program, held.token_endpoint, RefreshGrant(refresh_token))
    error = OAuthError.find(response)
    if response.status != OK and error is not None and error.error == INVALID_GRANT:
        raise LoginRequired("the login has ended", oauth_code=error.error, hint="Run: keyfob login")
    try:
        answer = read_tokens(response, "the server does not refresh this login", program.token_types)
    except Refused as problem:
        problem.hint = problem.hint or "If it stays so, log in again: keyfob login"
        raise
    moment = (yield from now()).wall
    if answer.id_token is not None:
        from keyfob.client.flows.id_token import check_renewed  # noqa: PLC0415  signatures cost 100 ms

        check_renewed(answer.id_token, held, moment)
    return held.refreshed(answer, moment)

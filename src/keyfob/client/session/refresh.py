"""Refresh a login once (RFC 6749 §6)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final, cast

from keyfob.client.auth.client_auth import OAuthClient, request_tokens
from keyfob.client.auth.token_response import read_tokens
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import World
from keyfob.errors import InvalidToken, KeyfobError, LoginRequired, Malformed, Refused
from keyfob.protocol.grants import RefreshGrant
from keyfob.protocol.http import Response
from keyfob.protocol.oauth_error import BAD_REFRESH_TOKEN, INVALID_GRANT, NEEDS_USER, OAuthError
from keyfob.protocol.secret import Secret

IF_IT_STAYS: Final = "If this persists, log in again"
ENDED: Final = frozenset({INVALID_GRANT, BAD_REFRESH_TOKEN})


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The result of a response with status 200. The old refresh token may be used up, even if the response is invalid.

    Attributes:
        stored: The login to store at once. It has the response's refresh token, if there is one.
        problem: None if `stored` has the response's access token too. Otherwise, the reason why that token is unusable;
            `stored` then keeps the old access token.
    """

    stored: StoredLogin
    problem: KeyfobError | None = None


async def refresh(world: World, stored: StoredLogin, refresh_token: Secret, client: OAuthClient) -> Refreshed:
    """Send the refresh token once. The request is not retried, since a refresh token may be valid for one use only.

    Raises:
        LoginRequired: The server no longer accepts the refresh token (an error code in `ENDED`), or requires a user's
            login.
        Refused: The server refuses for another reason; the refresh token may still be valid.
        Unreachable: There is no response; the refresh token may still be valid.
        Malformed: The response is unusable; the refresh token may still be valid.
    """
    response = await request_tokens(world, client, stored.token_endpoint, RefreshGrant(refresh_token))
    error = OAuthError.find(response)
    if response.status != 200 and error is not None and error.error in ENDED:
        raise LoginRequired("the login has ended", oauth_code=error.error)
    if response.status != 200 and error is not None and error.error in NEEDS_USER:
        reason = f": {error.description}" if error.description else ""
        raise LoginRequired(f"the server wants you to log in again ({error.error}){reason}", oauth_code=error.error)
    moment = world.now().wall
    try:
        answer = read_tokens(response, "the server refused to refresh this login", client.token_types)
        if answer.id_token is not None:
            from keyfob.client.flows.id_token import check_renewed  # noqa: PLC0415  cryptography is slow to import, and few refreshes need it

            check_renewed(answer.id_token, stored, moment)
    except Refused as problem:
        problem.hint = problem.hint or f"{IF_IT_STAYS}."
        raise
    except (Malformed, InvalidToken) as problem:
        return Refreshed(_without_access_token(response, stored), problem)
    return Refreshed(stored.refreshed(answer, moment))


def _without_access_token(response: Response, stored: StoredLogin) -> StoredLogin:
    """Return the login with the refresh token of a response whose access token cannot be used (RFC 6749 §6).

    Nothing else of the response is stored. If the response has no refresh token, the login keeps its old one.
    """
    try:
        # The response has already failed a check, so only its refresh token is read.
        members = json.loads(response.body)
    except (ValueError, RecursionError):
        return stored  # for example a page of a proxy
    sent = cast(dict[str, object], members).get("refresh_token") if isinstance(members, dict) else None
    if sent is None or sent == "":
        return stored
    new = Secret(sent) if isinstance(sent, str) and sent.isascii() and sent.isprintable() else None
    return replace(stored, refresh_token=new, generation=stored.generation + 1)

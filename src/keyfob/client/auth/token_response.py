"""Read a token endpoint's response: tokens or an error (RFC 6749 §5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NoReturn

from keyfob.errors import Malformed, Refused, Unreachable
from keyfob.protocol.fields import read_json
from keyfob.protocol.http import Response
from keyfob.protocol.oauth_error import INVALID_CLIENT, INVALID_SCOPE, USE_DPOP_NONCE, OAuthError
from keyfob.protocol.tokens import TokenAnswer

BEARER: Final = ("Bearer",)
_CLIENT_HINT: Final = "Check the client ID and its secret, key or certificate."
_SCOPE_HINT: Final = "Check the scope: the server does not support one of its names, or not for this client."
_KEY_HINT: Final = "The server requires tokens that are bound to a key (DPoP)."
# Hints by error code, for callers that give no hint.
_HINTS: Final = {
    INVALID_CLIENT: _CLIENT_HINT,
    INVALID_SCOPE: _SCOPE_HINT,
    "invalid_target": "Check the audience: the server does not know this API.",
    "invalid_dpop_proof": _KEY_HINT,
    USE_DPOP_NONCE: _KEY_HINT,
}


def as_meant(response: Response) -> Response:
    """Return the response. An error with status 200, as from GitHub, gets the status 400 instead (RFC 6749 §5.2)."""
    if response.status != 200 or OAuthError.find(response) is None:
        return response
    if read_json(response.body, "answer").has("access_token"):
        return response
    return replace(response, status=400)


def refuse(response: Response, what: str, hint: str = "", flags: str = "") -> NoReturn:
    """Raise `Refused` with the error code and description from a response."""
    error = OAuthError.find(response)
    if error is None:
        raise Refused(f"{what} (status {response.status})", hint=hint, flags=flags)
    reason = f": {error.description}" if error.description else ""
    hint = hint or hint_for(error, response)
    raise Refused(f"{what} ({error.error}){reason}", oauth_code=error.error, hint=hint, flags=flags or flags_for(hint))


def hint_for(error: OAuthError, response: Response | None = None) -> str:
    """Return the hint for an error code. If there is none, return the hint for the status, or ""."""
    found = _HINTS.get(error.error, "")
    if not found and "dpop" in error.description.lower():
        return _KEY_HINT  # Keycloak reports a missing proof as invalid_request
    return found or (_CLIENT_HINT if response is not None and response.status == 401 else "")


def flags_for(hint: str) -> str:
    """Return the flags of `keyfob login` that do what a hint advises; "" if there are none."""
    return "--dpop require" if hint == _KEY_HINT else ""


def take_tokens(response: Response, token_types: tuple[str, ...] = BEARER) -> TokenAnswer:
    """Return the tokens in a response of status 200.

    Raises:
        Malformed: The response violates the protocol, or the token type is not accepted (RFC 6749 §7.1).
    """
    try:
        return TokenAnswer.read(read_json(response.body, "token answer"), token_types=token_types)
    except Malformed as problem:
        if problem.field == "token_type" and token_types != BEARER:
            problem.hint = "The server does not bind its tokens to a key (DPoP). Log in without DPoP."
            problem.flags = "--dpop prefer"
        raise


def read_tokens(response: Response, what: str, token_types: tuple[str, ...] = BEARER) -> TokenAnswer:
    """Return the tokens in a response.

    Args:
        what: The error message if the response has no tokens, such as "the server gives no tokens".
        token_types: The accepted token types.

    Raises:
        Unreachable: The server is temporarily unable to answer (status 429 or 5xx).
        Refused: The server refuses the request.
        Malformed: The response violates the protocol.
    """
    if response.status == 200:
        return take_tokens(response, token_types)
    if response.status >= 500 or response.status == 429:
        raise Unreachable(f"the server is not available now (status {response.status})", hint="Try again.")
    refuse(response, what)

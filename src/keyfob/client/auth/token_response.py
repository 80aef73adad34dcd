"""What came back from a token endpoint: tokens, or why there are none (RFC 6749 §5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NoReturn

from keyfob.errors import Malformed, Refused, Unreachable
from keyfob.protocol.fields import read_json
from keyfob.protocol.http import Response
from keyfob.protocol.oauth_error import OAuthError
from keyfob.protocol.tokens import TokenAnswer

OK: Final = 200
BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401
TOO_MANY: Final = 429
BEARER: Final = ("Bearer",)
SERVER_FAULT: Final = 500


def as_meant(response: Response) -> Response:
    """An answer with the status that RFC 6749 §5.2 gives it: some servers say an error with 200, as GitHub does."""
    if response.status != OK or OAuthError.find(response) is None:
        return response
    if read_json(response.body, "answer").has("access_token"):
        return response
    return replace(response, status=BAD_REQUEST)


def refuse(response: Response, what: str, hint: str = "") -> NoReturn:
    """Say a refusing answer in words: what it means, the server's code, and the words with it.

    Raises:
        Refused: Always.
    """
    error = OAuthError.find(response)
    if error is None:
        raise Refused(f"{what} (status {response.status})", hint=hint)
    said = f": {error.description}" if error.description else ""
    if response.status == UNAUTHORIZED:
        hint = hint or "Look at the client id and its secret, key or certificate."
    raise Refused(f"{what} ({error.error}){said}", oauth_code=error.error, hint=hint)


def take_tokens(response: Response, token_types: tuple[str, ...] = BEARER) -> TokenAnswer:
    """The tokens that an answer of status 200 holds.

    Raises:
        Malformed: They are not as they should be, or of a type that we cannot use (RFC 6749 §7.1).
    """
    try:
        return TokenAnswer.read(read_json(response.body, "token answer"), token_types=token_types)
    except Malformed as problem:
        if problem.field == "token_type" and token_types != BEARER:
            problem.hint = "The server does not bind its tokens to a key; --dpop prefer takes them as they are."
        raise


def read_tokens(response: Response, what: str, token_types: tuple[str, ...] = BEARER) -> TokenAnswer:
    """The tokens in an answer.

    Args:
        response: From the token endpoint.
        what: What it means that there are none: "the server gives no tokens".
        token_types: Those that we can use.

    Raises:
        Unreachable: The server cannot at the moment.
        Refused: It will not.
        Malformed: Tokens came, but not as they should.
    """
    if response.status == OK:
        return take_tokens(response, token_types)
    if response.status >= SERVER_FAULT or response.status == TOO_MANY:
        raise Unreachable(f"the server answers {response.status} at the moment", hint="Try again.")
    refuse(response, what)

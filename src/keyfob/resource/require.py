"""Scope checks, and the challenge to answer with (RFC 6750 §2.1, §3; RFC 9110 §11)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from keyfob.protocol.challenge import Challenge
from keyfob.protocol.http import JSON, Request, Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.resource.verify import Principal

_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9\-._~+/]+=*) *\Z")
_MISSING_WORDS: Final = "This API needs an access token."


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a call may not pass.

    Attributes:
        status: 400, 401, 403, or 503 where the issuer's keys cannot be had.
        error: RFC 6750's code; "" where no token was shown (§3.1).
        description: Words for the caller; never holds anything that was received.
        challenge: None at 503, where another token would not help.
    """

    status: int
    error: str
    description: str
    challenge: Challenge | None

    def response(self) -> Response:
        """As an answer with a JSON body."""
        body = json.dumps({"error": self.error or "unauthorized", "error_description": self.description})
        headers = [("content-type", JSON), ("cache-control", "no-store"), *self.headers()]
        return Response(self.status, tuple(headers), body.encode())

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that carry the denial."""
        if self.challenge is None:
            return (("retry-after", "30"),)
        return (("www-authenticate", self.challenge.write()),)


def read_bearer(request: Request, realm: str) -> Secret | Denial:
    """The token of a request, or why there is none.

    A token in the query or in the body is not looked at: RFC 9700 §4.3.2 forbids sending one there.
    """
    headers = request.header_values("authorization")
    if not headers or not headers[0].lower().startswith("bearer"):
        return Denial(401, "", _MISSING_WORDS, Challenge("Bearer", {"realm": realm}))
    found = _BEARER.match(headers[0])
    if len(headers) > 1 or found is None:
        return _denial(400, "invalid_request", "The Authorization header is malformed.", realm)
    return Secret(found[1])


def refuse(reason: str, realm: str) -> Denial:
    """A token was shown that must not be accepted (RFC 6750 §3.1)."""
    return _denial(401, "invalid_token", reason[:1].upper() + reason[1:] + ".", realm)


def closed() -> Denial:
    """The issuer's keys cannot be had: nothing passes, and no token is blamed for it."""
    return Denial(503, "temporarily_unavailable", "The issuer's keys cannot be fetched.", None)


def check_scope(principal: Principal, needed: Scope, realm: str) -> Denial | None:
    """None when the token covers all of `needed`; else the 403 that names it (RFC 6750 §3.1)."""
    if needed <= principal.scope:
        return None
    words = "The token does not cover this action."
    return _denial(403, "insufficient_scope", words, realm, scope=needed.write())


def _denial(status: int, error: str, words: str, realm: str, **more: str) -> Denial:
    parameters = {"realm": realm, "error": error, "error_description": words, **more}
    return Denial(status, error, words, Challenge("Bearer", parameters))

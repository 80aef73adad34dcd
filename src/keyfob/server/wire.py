"""The two dialects, `auth0` and `rfc`: every outcome's status, error and text, in one table.

Facts about Auth0 were gathered from its documentation, its SDKs and recorded traffic. What could not be settled is a
named constant below, so that somebody with a tenant at hand can correct it in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from keyfob.protocol.http import NO_STORE, Headers, Response, json_response
from keyfob.protocol.oauth_error import OAuthError
from keyfob.server.config import Wire

Outcome = Literal[
    "pending",
    "slow_down",
    "denied",
    "expired",
    "code_unknown",
    "client_unknown",
    "client_refused",
    "grant_refused",
    "grant_unsupported",
    "audience_unknown",
    "request_malformed",
    "refresh_unknown",
    "scope_widened",
    "token_missing",
    "token_invalid",
    "not_found",
    "method_not_allowed",
    "too_large",
    "too_many",
    "server_error",
]
Row = tuple[int, str, str]

# Unsettled at Auth0 (the text after the first poll on a lapsed code, and after that).
AUTH0_EXPIRED: Final = "The device code has expired."
AUTH0_CODE_UNKNOWN: Final = "Invalid or expired device code."
# Unsettled at Auth0: the status for an unknown API at the device endpoint; 403 is what its other grants answer.
AUTH0_AUDIENCE_STATUS: Final = 403
# Unsettled at Auth0: what /userinfo answers to a bad token today.
AUTH0_USERINFO: Final[Row] = (401, "invalid_token", "The access token is missing or not valid here.")
# Unsettled at Auth0: whether a revocation by another client is told apart. It is not: 200, and the token lives.

_UNAUTHORIZED: Final = "Unauthorized or unknown client"


def _both(status: int, error: str, text: str) -> tuple[Row, Row]:
    return (status, error, text), (status, error, text)


# Every row: Auth0's answer, then the RFC's.
TABLE: Final[dict[Outcome, tuple[Row, Row]]] = {
    "pending": (
        (403, "authorization_pending", "User has yet to authorize device code."),
        (400, "authorization_pending", "The person has not decided yet."),
    ),
    "slow_down": (
        (429, "slow_down", "You are polling faster than the specified interval of {interval} seconds."),
        (400, "slow_down", "Wait five seconds longer between requests."),
    ),
    "denied": (
        (403, "access_denied", "User cancelled the confirmation prompt."),
        (400, "access_denied", "The person declined."),
    ),
    "expired": ((403, "expired_token", AUTH0_EXPIRED), (400, "expired_token", "The device code has expired.")),
    "code_unknown": (
        (403, "invalid_grant", AUTH0_CODE_UNKNOWN),
        (400, "invalid_grant", "The device code is unknown or used."),
    ),
    "client_unknown": (
        (401, "access_denied", "Unauthorized"),
        (401, "invalid_client", "The client is unknown."),
    ),
    "client_refused": (
        (403, "unauthorized_client", _UNAUTHORIZED),
        (401, "invalid_client", "The client is unknown, or must not authenticate."),
    ),
    "grant_refused": (
        (403, "unauthorized_client", "Grant type '{grant}' not allowed for the client."),
        (400, "unauthorized_client", "The client may not use this grant."),
    ),
    "grant_unsupported": (
        (403, "unsupported_grant_type", "Unsupported grant type."),
        (400, "unsupported_grant_type", "This server does not offer that grant."),
    ),
    "audience_unknown": (
        (AUTH0_AUDIENCE_STATUS, "access_denied", "Service not found: {audience}"),
        (400, "invalid_target", "There is no such API."),
    ),
    "request_malformed": ((400, "invalid_request", "{problem}"), (400, "invalid_request", "{problem}")),
    "refresh_unknown": (
        (403, "invalid_grant", "Unknown or invalid refresh token."),
        (400, "invalid_grant", "The refresh token is unknown, used or ended."),
    ),
    "scope_widened": (
        (403, "invalid_scope", "The requested scope exceeds what was granted."),
        (400, "invalid_scope", "The requested scope exceeds what was granted."),
    ),
    "token_missing": (AUTH0_USERINFO, (401, "", "")),
    "token_invalid": (AUTH0_USERINFO, (401, "invalid_token", "The access token is not valid here.")),
    "not_found": _both(404, "not_found", "There is nothing at this address."),
    "method_not_allowed": _both(405, "method_not_allowed", "This address does not take that method."),
    "too_large": _both(413, "invalid_request", "The request is too large."),
    "too_many": (
        (429, "too_many_requests", "Global limit has been reached"),
        (429, "temporarily_unavailable", "Too many requests came from this address."),
    ),
    "server_error": _both(500, "server_error", "Something went wrong here; it has been logged."),
}


def answer(wire: Wire, outcome: Outcome, *, headers: Headers = (), words: Mapping[str, str] | None = None) -> Response:
    """An outcome as a response in one dialect.

    Args:
        wire: Whose dialect.
        outcome: A row of the table.
        headers: To be sent beside the usual ones.
        words: Fill the text's gaps; whatever they hold is made speakable (RFC 6749 §5.2).
    """
    status, error, text = TABLE[outcome][wire == "rfc"]
    description = text.format(**words) if words else text
    return json_response(status, OAuthError(error, description).write() if error else {}, headers=NO_STORE + headers)

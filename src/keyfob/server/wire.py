"""The two dialects of the endpoints, `auth0` and `rfc`: a table with the status, error and text of every outcome.

The facts about Auth0 come from its documentation, its SDKs and recorded traffic. Each fact that could not be verified
at Auth0 is a constant below, so that it can be corrected in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

from keyfob.errors import Malformed
from keyfob.protocol.http import JSON, NO_STORE, Headers, Response, json_response
from keyfob.protocol.json_text import write_json
from keyfob.protocol.oauth_error import speakable
from keyfob.server.settings.config import Wire

Outcome = Literal[
    "pending",
    "slow_down",
    "number_missing",
    "number_wrong",
    "denied",
    "expired",
    "code_unknown",
    "client_missing",
    "client_unknown",
    "client_refused",
    "grant_refused",
    "grant_unsupported",
    "audience_unknown",
    "audience_missing",
    "audience_many",
    "api_refused",
    "api_closed",
    "scope_refused",
    "scope_malformed",
    "scope_widened",
    "organization_refused",
    "request_malformed",
    "refresh_unknown",
    "refresh_orphaned",
    "authorization_code_unknown",
    "verifier_wrong",
    "password_wrong",
    "password_off",
    "directory_missing",
    "realm_unknown",
    "user_blocked",
    "attempts_many",
    "mfa_required",
    "mfa_refused",
    "mfa_token_unknown",
    "mfa_token_expired",
    "mfa_token_refused",
    "otp_wrong",
    "binding_code_wrong",
    "recovery_code_wrong",
    "already_enrolled",
    "association_required",
    "challenge_unsupported",
    "mail_off",
    "mail_unsent",
    "proof_invalid",
    "proof_needs_nonce",
    "token_missing",
    "token_invalid",
    "scope_missing",
    "caller_unauthorized",
    "endpoint_disabled",
    "not_found",
    "method_not_allowed",
    "busy",
    "too_large",
    "too_many",
    "server_error",
]
Row = tuple[int, str, str]

# Not verified at Auth0: the text for the first poll with an expired device code, and the text for later polls.
AUTH0_EXPIRED: Final = "The device code has expired."
AUTH0_CODE_UNKNOWN: Final = "Invalid or expired device code."
# The status for an unknown API at the device endpoint; Auth0's other grants answer 403.
AUTH0_AUDIENCE_STATUS: Final = 403
# The response of /userinfo to an invalid token.
AUTH0_USERINFO: Final[Row] = (401, "invalid_token", "The access token is missing or not valid here.")
# The status of a wrong second factor, and the text for a wrong recovery code.
AUTH0_FACTOR_STATUS: Final = 403
AUTH0_RECOVERY_WRONG: Final = "MFA Authorization rejected."
# The status for an expired mfa_token at the token endpoint.
AUTH0_MFA_EXPIRED_STATUS: Final = 403
# The text of `too_many_attempts`.
AUTH0_ATTEMPTS: Final = "Your account has been blocked after multiple consecutive login attempts."
# The status for a client that has no grant for the API, if a user logs in.
AUTH0_API_CLOSED_STATUS: Final = 400
# The status of an unknown grant_type.
AUTH0_GRANT_UNSUPPORTED_STATUS: Final = 403
# A revocation request of a client for a token of another client is answered with 200, and the token stays valid.

AUTH0_API_REFUSED: Final = (
    'Client is not authorized to access "{audience}". You need to create a "client-grant" associated to this API.'
)
_UNAUTHORIZED: Final = "Unauthorized or unknown client"


def _members(error: str, description: str) -> dict[str, object]:
    return {"error": error, "error_description": description} if error else {}


def _both(status: int, error: str, text: str) -> tuple[Row, Row]:
    return (status, error, text), (status, error, text)


# Each row has the response of the dialect `auth0`, then the response of the dialect `rfc`.
TABLE: Final[dict[Outcome, tuple[Row, Row]]] = {
    "pending": (
        (403, "authorization_pending", "User has yet to authorize device code."),
        (400, "authorization_pending", "The person has not decided yet."),
    ),
    "slow_down": (
        (429, "slow_down", "You are polling faster than the specified interval of {interval} seconds."),
        (400, "slow_down", "Wait five seconds longer between requests."),
    ),
    # Both responses have the member `number_required`. A client that ignores the member polls until the code expires.
    "number_missing": (
        (403, "authorization_pending", "The number that the page shows must be sent."),
        (400, "authorization_pending", "The number that the page shows must be sent."),
    ),
    "number_wrong": (
        (403, "authorization_pending", "The number is not the one that the page shows."),
        (400, "authorization_pending", "The number is not the one that the page shows."),
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
    "client_missing": (
        (401, "invalid_client", "Missing client_id"),
        (400, "invalid_request", "Missing required parameter: client_id"),
    ),
    "client_unknown": (
        (401, "access_denied", "Unauthorized"),
        (401, "invalid_client", "The client is unknown, or has not proven who it is."),
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
        (AUTH0_GRANT_UNSUPPORTED_STATUS, "unsupported_grant_type", "Unsupported grant type."),
        (400, "unsupported_grant_type", "This server does not offer that grant."),
    ),
    "audience_unknown": (
        (AUTH0_AUDIENCE_STATUS, "access_denied", "Service not found: {audience}"),
        (400, "invalid_target", "There is no such API."),
    ),
    "audience_missing": (
        (403, "access_denied", "No audience parameter was provided, and no default audience has been configured"),
        (400, "invalid_target", "An API must be named."),
    ),
    "audience_many": (
        (400, "invalid_request", "Only one API can be named."),
        (400, "invalid_target", "Only one API can be named."),
    ),
    "api_refused": (
        (
            403,
            "access_denied",
            AUTH0_API_REFUSED,
        ),
        (400, "invalid_target", "The client has no grant for that API."),
    ),
    "api_closed": (
        (
            AUTH0_API_CLOSED_STATUS,
            "invalid_request",
            'Client "{client_id}" is not authorized to access resource server "{audience}".',
        ),
        (400, "invalid_target", "The client has no grant for that API."),
    ),
    "scope_refused": (
        (403, "access_denied", "Client has not been granted scopes: {scopes}"),
        (400, "invalid_scope", "The client has not been granted: {scopes}"),
    ),
    "scope_malformed": (
        (400, "invalid_scope", "Scope must be an array or a string"),
        (400, "invalid_scope", "The scope is not text, or holds a character that is not allowed."),
    ),
    "scope_widened": (
        (403, "invalid_scope", "The requested scope exceeds what was granted."),
        (400, "invalid_scope", "The requested scope exceeds what was granted."),
    ),
    "organization_refused": _both(400, "invalid_request", "This tenant has no organizations."),
    "request_malformed": _both(400, "invalid_request", "{problem}"),
    "refresh_unknown": (
        (403, "invalid_grant", "Unknown or invalid refresh token."),
        (400, "invalid_grant", "The refresh token is unknown, used or ended."),
    ),
    "refresh_orphaned": (
        (403, "invalid_grant", "The refresh_token was generated for a user who doesn't exist anymore."),
        (400, "invalid_grant", "The refresh token is unknown, used or ended."),
    ),
    "authorization_code_unknown": (
        (403, "invalid_grant", "Invalid authorization code"),
        (400, "invalid_grant", "The code is unknown, used, lapsed, or was asked for otherwise."),
    ),
    "verifier_wrong": (
        (403, "invalid_grant", "Failed to verify code verifier"),
        (400, "invalid_grant", "The code verifier does not fit."),
    ),
    "password_wrong": (
        (403, "invalid_grant", "Wrong email or password."),
        (400, "invalid_grant", "The login was refused."),
    ),
    "password_off": (
        (403, "unauthorized_client", "Grant type '{grant}' not allowed for the client."),
        (400, "unsupported_grant_type", "This server does not offer that grant."),
    ),
    "directory_missing": (
        (500, "server_error", "Authorization server not configured with default connection."),
        (400, "invalid_request", "A realm must be named."),
    ),
    "realm_unknown": (
        (403, "invalid_request", "Unknown realm '{realm}'"),
        (400, "invalid_request", "There is no such realm."),
    ),
    "user_blocked": ((403, "unauthorized", "user is blocked"), (400, "invalid_grant", "The login was refused.")),
    "attempts_many": (
        (429, "too_many_attempts", AUTH0_ATTEMPTS),
        (429, "temporarily_unavailable", "Too many wrong attempts; try again later."),
    ),
    "mfa_required": (
        (403, "mfa_required", "Multifactor authentication required"),
        (400, "invalid_grant", "The login was refused."),
    ),
    # A second factor is required, but the client may use no grant type for a second factor.
    "mfa_refused": (
        (403, "mfa_required", "Multifactor authentication required"),
        (400, "invalid_grant", "The login was refused."),
    ),
    "mfa_token_unknown": (
        (403, "invalid_grant", "Malformed mfa_token"),
        (400, "invalid_grant", "The mfa_token is unknown or used."),
    ),
    "mfa_token_expired": (
        (AUTH0_MFA_EXPIRED_STATUS, "expired_token", "mfa_token is expired"),
        (400, "invalid_grant", "The mfa_token is unknown or used."),
    ),
    "mfa_token_refused": _both(401, "invalid_grant", "The mfa_token provided is invalid. Try getting a new token."),
    "otp_wrong": (
        (AUTH0_FACTOR_STATUS, "invalid_grant", "Invalid otp_code."),
        (400, "invalid_grant", "The code is wrong or was used."),
    ),
    "binding_code_wrong": (
        (AUTH0_FACTOR_STATUS, "invalid_grant", "Invalid binding_code."),
        (400, "invalid_grant", "The code is wrong or was used."),
    ),
    "recovery_code_wrong": (
        (AUTH0_FACTOR_STATUS, "invalid_grant", AUTH0_RECOVERY_WRONG),
        (400, "invalid_grant", "The code is wrong or was used."),
    ),
    "already_enrolled": _both(403, "access_denied", "User is already enrolled."),
    "association_required": _both(400, "association_required", "The user has no second factor of that kind yet."),
    "challenge_unsupported": _both(400, "unsupported_challenge_type", "No second factor of that kind can be asked."),
    "mail_off": _both(400, "unsupported_challenge_type", "This tenant sends no e-mail, so it has no codes by e-mail."),
    "mail_unsent": _both(503, "temporarily_unavailable", "The e-mail could not be sent. Try again, or another factor."),
    "proof_invalid": _both(400, "invalid_dpop_proof", "{problem}"),
    "proof_needs_nonce": _both(400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof"),
    "token_missing": (AUTH0_USERINFO, (401, "", "")),
    "token_invalid": (AUTH0_USERINFO, (401, "invalid_token", "The access token is not valid here.")),
    "scope_missing": _both(403, "insufficient_scope", "The access token lacks a scope: {scope}"),
    "caller_unauthorized": _both(401, "invalid_client", "The caller has not proven who it is."),
    "endpoint_disabled": _both(404, "endpoint_disabled", "This tenant does not offer that."),
    "not_found": _both(404, "not_found", "There is nothing at this address."),
    "method_not_allowed": _both(405, "method_not_allowed", "This address does not take that method."),
    "busy": _both(503, "temporarily_unavailable", "The server is busy. Please try again in a few seconds."),
    "too_large": _both(413, "invalid_request", "The request is too large."),
    "too_many": (
        (429, "too_many_requests", "Global limit has been reached"),
        (429, "temporarily_unavailable", "Too many requests came from this address."),
    ),
    "server_error": _both(500, "server_error", "Something went wrong here; it has been logged."),
}


# The responses without placeholders, as (status, body) by outcome and dialect. They are built once, at import.
_READY: Final[dict[tuple[Outcome, bool], tuple[int, bytes]]] = {
    (outcome, is_rfc): (row[0], write_json(_members(row[1], row[2])))
    for outcome, rows in TABLE.items()
    for is_rfc, row in zip((False, True), rows, strict=True)
    if "{" not in row[2]
}
_HEADERS: Final[Headers] = (("content-type", JSON), *NO_STORE)


def outcome_of(problem: Malformed) -> Outcome:
    """Return the outcome of a malformed request."""
    if problem.code == "unsupported-grant":
        return "grant_unsupported"
    if problem.field == "scope" and not problem.message.endswith("sent twice"):
        return "scope_malformed"
    if problem.field in {"audience", "resource"} and problem.message.endswith("more than one API"):
        return "audience_many"
    return "request_malformed"


def retry_after(wait: timedelta) -> Headers:
    """Return the Retry-After header, in whole seconds."""
    return (("retry-after", str(int(wait.total_seconds()) + 1)),)


def answer(
    wire: Wire,
    outcome: Outcome,
    *,
    headers: Headers = (),
    words: Mapping[str, str] | None = None,
    more: Mapping[str, object] | None = None,
) -> Response:
    """Return the response of an outcome in one dialect.

    Args:
        wire: The dialect.
        outcome: The row of the table.
        headers: Additional headers.
        words: The values for the placeholders of the text. Characters that RFC 6749 §5.2 forbids are replaced.
        more: Additional members of the JSON response.
    """
    is_rfc = wire == "rfc"
    ready = _READY.get((outcome, is_rfc))
    if ready is not None and more is None:
        return Response(ready[0], _HEADERS + headers, ready[1])
    status, error, text = TABLE[outcome][is_rfc]
    # Some of Auth0's texts contain quotes, although RFC 6749 forbids quotes. Quotes in untrusted values are replaced.
    description = text.format_map({name: speakable(word) for name, word in words.items()}) if words else text
    return json_response(status, {**_members(error, description), **(more or {})}, headers=NO_STORE + headers)

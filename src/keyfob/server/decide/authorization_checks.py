"""The order of the checks of an authorization request: one table for /authorize and /oauth/par.

RFC 6749 §4.1.2.1, RFC 9126 §2.3, §4, RFC 9700 §2.1, §4.1.3, OpenID Connect Core §3.1.2.6. `docs/checks.md` is generated
from `AUTHORIZATION_CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from keyfob.server.decide.authorization_facts import ArrivalFacts, PushFacts, RequestFacts, StepFacts
from keyfob.server.decide.check_table import Cell, column
from keyfob.server.wire import Outcome

F = TypeVar("F")
Silent = Literal["login_required", "consent_required", "interaction_required"]


@dataclass(frozen=True, slots=True)
class OnPage(Generic[F]):
    """A check that runs before the redirect URI is verified, so the error is shown to the user on a page."""

    fails: Callable[[F], bool]
    text: str


@dataclass(frozen=True, slots=True)
class AtCallback:
    """A check whose error is sent to the verified redirect URI."""

    fails: Callable[[RequestFacts], bool]
    error: str
    text: str


@dataclass(frozen=True, slots=True)
class OfDialect:
    """A check whose error is sent to the verified redirect URI.

    The tenant's setting `wire` decides whether the error is that of Auth0 or that of the RFC.
    """

    fails: Callable[[RequestFacts], bool]
    outcome: Outcome


RequestCell = OnPage[RequestFacts] | AtCallback | OfDialect


@dataclass(frozen=True, slots=True)
class NextPage:
    """A check of the user's login or consent. If it fails, the user is redirected to a page of this server.

    With `prompt=none`, no page may be shown, so the client gets an error instead.

    Attributes:
        page: The page that the user is redirected to.
        silent: The error for the client.
    """

    fails: Callable[[StepFacts], bool]
    page: Literal["login", "consent"]
    silent: Silent


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCheck:
    """One row of the table of checks. `KINDS_OF` maps each column to the kinds of requests that it applies to."""

    name: str
    rule: str
    push: Cell[PushFacts] | None = None
    arrival: OnPage[ArrivalFacts] | None = None
    pushed: OnPage[ArrivalFacts] | None = None
    request: RequestCell | tuple[RequestCell, ...] | None = None
    step: NextPage | None = None


BROWSER: Final = "/authorize"
PUSHED: Final = "/authorize with request_uri"
PAR: Final = "/oauth/par"
KINDS: Final = (BROWSER, PUSHED, PAR)
KINDS_OF: Final[dict[str, tuple[str, ...]]] = {
    "push": (PAR,),
    "arrival": (BROWSER, PUSHED),
    "pushed": (PUSHED,),
    "request": KINDS,
    "step": (BROWSER, PUSHED),
}

AUTHORIZATION_CHECKS: Final[tuple[AuthorizationCheck, ...]] = (
    AuthorizationCheck(
        name="no_request_uri",
        rule="The request to /oauth/par has no `request_uri`.",
        push=Cell(PushFacts.names_request_uri, "request_malformed"),
    ),
    AuthorizationCheck(
        name="proof_key",
        rule="If `dpop_jkt` and a DPoP proof are present, `dpop_jkt` is the thumbprint of the proof's key.",
        push=Cell(PushFacts.names_another_key, "proof_invalid"),
    ),
    AuthorizationCheck(
        name="readable",
        rule="The query or the form is well-formed.",
        arrival=OnPage(ArrivalFacts.is_malformed, "{problem}"),
    ),
    AuthorizationCheck(
        name="request_uri",
        rule="The pushed request exists, was pushed by this client, and has not expired.",
        pushed=OnPage(ArrivalFacts.is_not_pushed, "The request was left with us too long ago, or by somebody else."),
    ),
    AuthorizationCheck(
        name="request_uri_new",
        rule="No browser has opened the pushed request before.",
        pushed=OnPage(ArrivalFacts.was_opened, "This link was opened before. Start again in the app."),
    ),
    AuthorizationCheck(
        name="texts",
        rule="`client_id` and `redirect_uri` are strings.",
        request=OnPage(RequestFacts.is_unreadable, "The request cannot be read."),
    ),
    AuthorizationCheck(
        name="client",
        rule="The client is registered.",
        request=OnPage(RequestFacts.client_is_unknown, "The program that sent you here is not known to this tenant."),
    ),
    AuthorizationCheck(
        name="redirect_uri",
        rule="`redirect_uri` is present.",
        request=OnPage(
            RequestFacts.lacks_redirect_uri,
            "The program that sent you here did not say where to send you back to.",
        ),
    ),
    AuthorizationCheck(
        name="registered",
        rule="`redirect_uri` is registered for the client.",
        request=OnPage(
            RequestFacts.redirect_uri_is_not_registered,
            "Callback URL mismatch: the program wants you sent to an address that is not registered for it.",
        ),
    ),
    AuthorizationCheck(
        name="must_push",
        rule="If the client must push its authorization requests, the request is pushed.",
        request=AtCallback(
            RequestFacts.is_not_pushed, "invalid_request", "This app has to push its requests (RFC 9126)."
        ),
    ),
    AuthorizationCheck(
        name="parameters",
        rule="No parameter is missing or malformed. The response names the first bad parameter.",
        request=(
            AtCallback(
                RequestFacts.scope_is_malformed, "invalid_scope", "The scope holds a character that is not allowed."
            ),
            AtCallback(RequestFacts.names_several_apis, "invalid_target", "Only one API can be named."),
            AtCallback(RequestFacts.is_malformed, "invalid_request", "{problem}"),
        ),
    ),
    AuthorizationCheck(
        name="client_grant",
        rule="The client may use the grant `authorization_code`.",
        request=AtCallback(
            RequestFacts.grant_is_not_the_clients, "unauthorized_client", "The client may not use this grant."
        ),
    ),
    AuthorizationCheck(
        name="response_type",
        rule="`response_type` is `code`.",
        request=AtCallback(
            RequestFacts.response_type_is_not_code,
            "unsupported_response_type",
            "Only response_type=code is offered.",
        ),
    ),
    AuthorizationCheck(
        name="request_object",
        rule="`request` is absent (no request object).",
        request=AtCallback(
            RequestFacts.has_request_object, "request_not_supported", "Request objects are not offered."
        ),
    ),
    AuthorizationCheck(
        name="foreign_request_uri",
        rule="`request_uri`, if present, refers to a pushed request.",
        request=AtCallback(
            RequestFacts.has_foreign_request_uri, "request_uri_not_supported", "Only pushed requests are offered."
        ),
    ),
    AuthorizationCheck(
        name="registration",
        rule="`registration` is absent.",
        request=AtCallback(
            RequestFacts.has_registration,
            "registration_not_supported",
            "Registration in a request is not offered.",
        ),
    ),
    AuthorizationCheck(
        name="response_mode",
        rule="`response_mode` is `query` or `form_post`.",
        request=AtCallback(
            RequestFacts.response_mode_is_unknown, "invalid_request", "response_mode is query or form_post."
        ),
    ),
    AuthorizationCheck(
        name="organization",
        rule="The request names no organization.",
        request=AtCallback(RequestFacts.names_organization, "invalid_request", "This tenant has no organizations."),
    ),
    AuthorizationCheck(
        name="state",
        rule="`state` is not too long.",
        request=AtCallback(RequestFacts.state_is_too_long, "invalid_request", "The state is too long."),
    ),
    AuthorizationCheck(
        name="nonce",
        rule="`nonce` is not too long.",
        request=AtCallback(RequestFacts.nonce_is_too_long, "invalid_request", "The nonce is too long."),
    ),
    AuthorizationCheck(
        name="challenge_needed",
        rule="`code_challenge` is present if the client is public or sends a `code_challenge_method`.",
        request=AtCallback(RequestFacts.lacks_challenge, "invalid_request", "A code_challenge is needed (PKCE)."),
    ),
    AuthorizationCheck(
        name="challenge",
        rule="`code_challenge_method` is `S256`, and the `code_challenge` is well-formed.",
        request=AtCallback(
            RequestFacts.challenge_is_wrong,
            "invalid_request",
            "code_challenge_method is S256, and the challenge 43 letters.",
        ),
    ),
    AuthorizationCheck(
        name="connection",
        rule="The connection is enabled for the client.",
        request=AtCallback(
            RequestFacts.connection_is_not_enabled,
            "invalid_request",
            "The connection is not enabled for this client.",
        ),
    ),
    AuthorizationCheck(
        name="api",
        rule="The API exists.",
        request=OfDialect(RequestFacts.api_is_unknown, "audience_unknown"),
    ),
    AuthorizationCheck(
        name="api_grant",
        rule="The client may request tokens for the API.",
        request=OfDialect(RequestFacts.api_is_closed, "api_closed"),
    ),
    AuthorizationCheck(
        name="login",
        rule="The user is logged in, and the login is recent enough for the request.",
        step=NextPage(StepFacts.must_log_in, "login", "login_required"),
    ),
    AuthorizationCheck(
        name="consent",
        rule="The user has consented, or consent is not required.",
        step=NextPage(StepFacts.must_consent, "consent", "consent_required"),
    ),
    AuthorizationCheck(
        name="verifiable",
        rule="`redirect_uri` is an https URL, or the user has just logged in for this request (RFC 8252 §8.6).",
        step=NextPage(StepFacts.callback_is_unverifiable, "consent", "interaction_required"),
    ),
)

PUSH: Final = column((row.name, row.push) for row in AUTHORIZATION_CHECKS)
ARRIVAL: Final = tuple(cell for row in AUTHORIZATION_CHECKS for cell in (row.arrival, row.pushed) if cell is not None)
REQUEST: Final = tuple(
    cell
    for row in AUTHORIZATION_CHECKS
    if row.request is not None
    for cell in (row.request if isinstance(row.request, tuple) else (row.request,))
)
STEP: Final = tuple(row.step for row in AUTHORIZATION_CHECKS if row.step is not None)

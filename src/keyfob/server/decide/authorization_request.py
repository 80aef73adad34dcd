"""Decide about an authorization request: whom to tell what is wrong, and what the person must still do.

RFC 6749 §4.1.2.1, RFC 9700 §2.1, §4.1.3, RFC 8252 §7.3, §8.6, OpenID Connect Core §3.1.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlsplit

from keyfob.errors import Malformed
from keyfob.protocol.authorization import AuthorizationRequest
from keyfob.protocol.fields import Fields
from keyfob.protocol.grants import AUTHORIZATION_CODE
from keyfob.protocol.pkce import S256, is_challenge
from keyfob.protocol.scope import Scope
from keyfob.server.decide.access import NoReach, Reach, decide_reach
from keyfob.server.records import Consent
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.registered import Application
from keyfob.server.wire import TABLE

LONGEST_STATE: Final = 4096
LONGEST_NONCE: Final = 600
RESPONSE_MODES: Final = ("query", "form_post")
_LOOPBACK: Final = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::([0-9]{1,5}))?([/?].*)?\Z")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request that may be put before a person."""

    asked: AuthorizationRequest
    application: Application
    reach: Reach


@dataclass(frozen=True, slots=True)
class Unproven:
    """Whoever asks has not shown a callback of a program we know: the person is told, and nobody else."""

    problem: str


@dataclass(frozen=True, slots=True)
class Told:
    """The program is told at its callback (RFC 6749 §4.1.2.1)."""

    redirect_uri: str
    response_mode: str
    state: str | None
    error: str
    description: str


def check_request(config: TenantConfig, fields: Fields) -> Accepted | Unproven | Told:
    """Judge a request, the callback first: until it is proven, no error may travel there."""
    try:
        client_id, redirect_uri = fields.optional_text("client_id"), fields.optional_text("redirect_uri")
    except Malformed:
        return Unproven("The request cannot be read.")
    application = config.application(client_id or "")
    if application is None:
        return Unproven("The program that sent you here is not known to this tenant.")
    if redirect_uri is None:
        return Unproven("The program that sent you here did not say where to send you back to.")
    if not is_registered(redirect_uri, application, any_port=_any_port(config, application)):
        return Unproven(
            "Callback URL mismatch: the program wants you sent to an address that is not registered for it."
        )
    mode, state = _mode_and_state(fields)

    def told(error: str, description: str) -> Told:
        return Told(redirect_uri, mode, state, error, description)

    try:
        asked = AuthorizationRequest.read(fields)
    except Malformed as problem:
        return told(*_told_malformed(problem, config))
    refusal = _refusal(fields, asked, application)
    if refusal is not None:
        return told(*refusal)
    reach = decide_reach(config, application, asked.target, asked.scope)
    if isinstance(reach, NoReach):
        _, error, text = TABLE[reach.outcome][config.wire == "rfc"]
        return told(error, text.format_map(reach.words))
    return Accepted(asked, application, reach)


def _mode_and_state(fields: Fields) -> tuple[str, str | None]:
    """How errors travel, also where the rest of the request cannot be read."""
    mode, state = fields.values.get("response_mode"), fields.values.get("state")
    return "form_post" if mode == "form_post" else "query", state if isinstance(state, str) and state else None


def _told_malformed(problem: Malformed, config: TenantConfig) -> tuple[str, str]:
    if problem.field == "scope":
        return "invalid_scope", "The scope holds a character that is not allowed."
    if problem.field in {"audience", "resource"} and config.wire == "rfc":
        return "invalid_target", "Only one API can be named."
    return "invalid_request", problem.message.partition(": ")[2] or problem.message


def _refusal(fields: Fields, asked: AuthorizationRequest, application: Application) -> tuple[str, str] | None:
    """The first thing that is wrong, as error and words. The order is that of RFC 6749 §4.1.2.1's list."""
    method, challenge = asked.code_challenge_method, asked.code_challenge
    wrong_challenge = challenge is not None and (method != S256 or not is_challenge(challenge))
    checks: tuple[tuple[bool, str, str], ...] = (
        (AUTHORIZATION_CODE not in application.grants, "unauthorized_client", "The client may not use this grant."),
        (asked.response_type != "code", "unsupported_response_type", "Only response_type=code is offered."),
        (fields.has("request"), "request_not_supported", "Request objects are not offered."),
        (fields.has("registration"), "registration_not_supported", "Registration in a request is not offered."),
        (
            asked.response_mode not in {None, *RESPONSE_MODES},
            "invalid_request",
            "response_mode is query or form_post.",
        ),
        (fields.has("organization"), "invalid_request", "This tenant has no organizations."),
        (len(asked.state or "") > LONGEST_STATE, "invalid_request", "The state is too long."),
        (len(asked.nonce or "") > LONGEST_NONCE, "invalid_request", "The nonce is too long."),
        (
            challenge is None and (application.is_public or method is not None),
            "invalid_request",
            "A code_challenge is needed (PKCE).",
        ),
        (wrong_challenge, "invalid_request", "code_challenge_method is S256, and the challenge 43 letters."),
        (
            asked.connection is not None and asked.connection not in application.connections,
            "invalid_request",
            "The connection is not enabled for this client.",
        ),
    )
    return next(((error, words) for is_wrong, error, words in checks if is_wrong), None)


def _any_port(config: TenantConfig, application: Application) -> bool:
    """RFC 8252 §7.3 for native programs; at Auth0 the port counts, so there an application must ask for it."""
    return application.any_loopback_port or (config.wire == "rfc" and application.kind == "native")


def is_registered(redirect_uri: str, application: Application, *, any_port: bool) -> bool:
    """Whether a callback is the application's, letter for letter; of a loopback address the port may not matter."""
    if redirect_uri in application.callbacks:
        return True
    asked = _LOOPBACK.match(redirect_uri) if any_port else None
    if asked is None or int(asked[2] or 80) > 65535:
        return False
    registered = (_LOOPBACK.match(callback) for callback in application.callbacks)
    return any(one is not None and (one[1], one[3]) == (asked[1], asked[3]) for one in registered)


def is_verifiable(redirect_uri: str) -> bool:
    """Whether only the program's owner can receive what is sent there; a loopback port or a scheme anybody can take."""
    return urlsplit(redirect_uri).scheme == "https"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the browser: who is logged in there, since when, and what they have allowed before."""

    user_id: str | None = None
    auth_time: datetime | None = None
    consent: Consent | None = None


Step = Literal["login", "consent", "issue", "login_required", "consent_required", "interaction_required"]


def next_step(accepted: Accepted, standing: Standing, now: datetime, *, just_logged_in: bool = False) -> Step:
    """What the person must do next.

    Nobody is logged in to a program silently whose callback anybody could take: such a program is asked about every
    time, unless the person has just typed a password for it on a page that named it (RFC 8252 §8.6).

    Args:
        accepted: The request.
        standing: The browser's.
        now: Aware, UTC.
        just_logged_in: Whether the login was for this very request.
    """
    asked, silent = accepted.asked, "none" in accepted.asked.prompt
    if (
        standing.user_id is None
        or standing.auth_time is None
        or _must_log_in(asked, standing.auth_time, now, just_logged_in)
    ):
        return "login_required" if silent else "login"
    if "consent" in asked.prompt or _must_ask(accepted, standing.consent):
        return "consent_required" if silent else "consent"
    if not is_verifiable(asked.redirect_uri) and not just_logged_in:
        return "interaction_required" if silent else "consent"
    return "issue"


def _must_log_in(asked: AuthorizationRequest, auth_time: datetime, now: datetime, just_logged_in: bool) -> bool:  # noqa: FBT001
    if just_logged_in:
        return False
    if "login" in asked.prompt or "select_account" in asked.prompt:
        return True
    return asked.max_age is not None and now - auth_time > asked.max_age


def _must_ask(accepted: Accepted, consent: Consent | None) -> bool:
    api, application = accepted.reach.api, accepted.application
    if application.is_first_party and (api.skips_consent or not accepted.reach.scope & _api_scopes(accepted)):
        return False
    return application.is_public or consent is None or not accepted.reach.scope <= consent.scope


def _api_scopes(accepted: Accepted) -> Scope:
    return Scope.of({*accepted.reach.api.scopes, "offline_access"})

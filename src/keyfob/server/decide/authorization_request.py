"""Decide about an authorization request: where its error is shown, and the next step for the user.

RFC 6749 §4.1.2.1, RFC 9700 §2.1, §4.1.3, RFC 8252 §7.3, §8.6, OpenID Connect Core §3.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from keyfob.protocol.fields import Fields
from keyfob.server.decide.access import ApiAccess
from keyfob.server.decide.authorization_checks import ARRIVAL, REQUEST, STEP, OfDialect, OnPage, Silent
from keyfob.server.decide.authorization_facts import (
    AcceptedRequest,
    ArrivalFacts,
    LoginState,
    RequestFacts,
    StepFacts,
)
from keyfob.server.settings.config import TenantConfig
from keyfob.server.wire import TABLE

NextStep = Literal["login", "consent", "issue"] | Silent


@dataclass(frozen=True, slots=True)
class PageError:
    """An error that is shown to the user on a page, since no error may be sent to an unverified redirect URI."""

    problem: str


@dataclass(frozen=True, slots=True)
class CallbackError:
    """An error that is sent to the client's redirect URI (RFC 6749 §4.1.2.1)."""

    redirect_uri: str
    response_mode: str
    state: str | None
    error: str
    description: str


def check_arrival(facts: ArrivalFacts) -> PageError | None:
    """Check a request at /authorize before its parameters are parsed."""
    problem = facts.problem.message.partition(": ")[2] or facts.problem.message if facts.problem else ""
    for check in ARRIVAL:
        if check.fails(facts):
            return PageError(check.text.format(problem=problem))
    return None


def check_request(
    config: TenantConfig, fields: Fields, *, is_pushed: bool = True
) -> AcceptedRequest | PageError | CallbackError:
    """Check an authorization request. Return the accepted request, or the error of the first check that fails.

    The redirect URI is checked first, since the errors of later checks are sent to this URI.

    Args:
        config: The settings of the tenant.
        fields: The parameters of the request.
        is_pushed: Whether the client sent the parameters to /oauth/par. False if they came through the browser.
    """
    facts = RequestFacts(config, fields, is_pushed)
    for check in REQUEST:
        if not check.fails(facts):
            continue
        if isinstance(check, OnPage):
            return PageError(check.text)
        if isinstance(check, OfDialect):
            _, error, text = TABLE[check.outcome][config.wire == "rfc"]
        else:
            error, text = check.error, check.text
        mode, state = _mode_and_state(fields)
        return CallbackError(fields.text("redirect_uri"), mode, state, error, text.format_map(facts.words))
    application, asked = facts.read()
    assert isinstance(facts.access, ApiAccess), "an unknown API is refused"  # noqa: S101
    return AcceptedRequest(asked, application, facts.access)


def _mode_and_state(fields: Fields) -> tuple[str, str | None]:
    """Return the response mode and the state for an error response.

    The other parameters may be malformed. A malformed mode counts as `query`, and a malformed state as absent.
    """
    mode, state = fields.values.get("response_mode"), fields.values.get("state")
    return "form_post" if mode == "form_post" else "query", state if isinstance(state, str) and state else None


def next_step(accepted: AcceptedRequest, state: LoginState, now: datetime, *, just_logged_in: bool = False) -> NextStep:
    """Decide the next step: a page for the user, an error for the client, or the issue of a code.

    Any app could claim a redirect URI that is not https. Such a URI gets a code only after an action of the user
    (RFC 8252 §8.6): the user logs in for this request, on a page that names the client, or else confirms the client.
    """
    facts, is_silent = StepFacts(accepted, state, now, just_logged_in), "none" in accepted.asked.prompt
    for check in STEP:
        if check.fails(facts):
            return check.silent if is_silent else check.page
    return "issue"

"""POST /oauth/token: run the checks for every grant, then the checks of the requested grant (RFC 6749 §3.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, assert_never

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields
from keyfob.protocol.grants import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    DeviceCodeGrant,
    Grant,
    JwtBearerGrant,
    MfaOobGrant,
    MfaOtpGrant,
    MfaRecoveryGrant,
    PasswordGrant,
    RefreshGrant,
    TokenExchangeGrant,
    TokenRequest,
)
from keyfob.protocol.http import Request, Response
from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.decide.token_checks import GRANT, MESSAGE, STEPS, Step
from keyfob.server.decide.token_facts import GrantFacts, MessageFacts
from keyfob.server.endpoints.oauth.client_request import ClientRequest, authenticate, check_dpop
from keyfob.server.endpoints.oauth.parameters import problem_text, read_parameters
from keyfob.server.endpoints.oauth.token_code import redeem_code
from keyfob.server.endpoints.oauth.token_credentials import issue_to_client
from keyfob.server.endpoints.oauth.token_device import poll
from keyfob.server.endpoints.oauth.token_mfa import second_factor
from keyfob.server.endpoints.oauth.token_password import with_password
from keyfob.server.endpoints.oauth.token_refresh import renew
from keyfob.server.site import Site
from keyfob.server.wire import outcome_of


async def token(site: Site, request: Request) -> Response:
    """Run the checks, issue the tokens, and count the response in the metrics."""
    progress = _Progress(site, request)
    response = await _answer(progress)
    site.meter.token("" if progress.grant is None else progress.grant.grant_type, response)
    return response


async def _answer(progress: _Progress) -> Response:
    for step in STEPS:
        refusal = _AT_ONCE[step](progress) if step in _AT_ONCE else await _AWAITED[step](progress)
        if refusal is not None:
            return refusal
    assert progress.call is not None, "every client is authenticated"  # noqa: S101
    assert progress.grant is not None  # noqa: S101
    return await _issue(progress.call, progress.grant)


@dataclass(slots=True)
class _Progress:
    """The results of the checks so far."""

    site: Site
    request: Request
    fields: Fields | None = None
    grant: Grant | None = None
    call: ClientRequest | None = None


def _check_message(progress: _Progress) -> Response | None:
    try:
        progress.fields = read_parameters(progress.request)
        progress.grant = TokenRequest.read(progress.fields).grant
        facts, text = MessageFacts(progress.grant), ""
    except Malformed as problem:
        facts, text = MessageFacts(outcome=outcome_of(problem)), problem_text(problem)
    refused = first_failed_check(MESSAGE, facts)
    return None if refused is None else progress.site.refuse(refused.outcome, problem=text)


async def _check_client(progress: _Progress) -> Response | None:
    assert progress.fields is not None, "the message was read"  # noqa: S101
    found = await authenticate(progress.site, progress.request, progress.fields)
    if isinstance(found, Response):
        return found
    progress.call = found
    return None


def _check_grant(progress: _Progress) -> Response | None:
    call, grant = progress.call, progress.grant
    assert call is not None, "the client has authenticated"  # noqa: S101
    assert grant is not None  # noqa: S101
    refused = first_failed_check(GRANT, GrantFacts(call.application, grant.grant_type))
    return None if refused is None else call.refuse(refused.outcome, grant=grant.grant_type)


async def _check_proof(progress: _Progress) -> Response | None:
    assert progress.call is not None, "the client has authenticated"  # noqa: S101
    found = await check_dpop(progress.call)
    if isinstance(found, Response):
        return found
    progress.call = found
    return None


# A check that awaits nothing is a plain function: as a coroutine, the check of the grant would take twice as long.
_AT_ONCE: Final[dict[Step, Callable[[_Progress], Response | None]]] = {
    "message": _check_message,
    "grant": _check_grant,
}
_AWAITED: Final[dict[Step, Callable[[_Progress], Awaitable[Response | None]]]] = {
    "client": _check_client,
    "proof": _check_proof,
}


async def _issue(call: ClientRequest, grant: Grant) -> Response:
    match grant:
        case AuthorizationCodeGrant():
            return await redeem_code(call, grant)
        case ClientCredentialsGrant():
            return issue_to_client(call, grant)
        case DeviceCodeGrant():
            return await poll(call, grant)
        case MfaOobGrant() | MfaOtpGrant() | MfaRecoveryGrant():
            return await second_factor(call, grant)
        case PasswordGrant():
            return await with_password(call, grant)
        case RefreshGrant():
            return await renew(call, grant)
        case JwtBearerGrant() | TokenExchangeGrant():
            return call.refuse("grant_unsupported")
        case _:  # pragma: no cover
            assert_never(grant)

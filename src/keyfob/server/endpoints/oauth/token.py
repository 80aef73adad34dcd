"""POST /oauth/token: every grant begins here (RFC 6749 §3.2, Auth0)."""

from __future__ import annotations

from typing import assert_never

from keyfob.errors import Malformed
from keyfob.protocol.grants import (
    GRANT_TYPES,
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
    type_of,
)
from keyfob.protocol.http import Request, Response
from keyfob.server.endpoints.oauth.client_request import Call, authenticate, possess
from keyfob.server.endpoints.oauth.parameters import malformed, read_parameters
from keyfob.server.endpoints.oauth.token_code import redeem_code
from keyfob.server.endpoints.oauth.token_credentials import as_itself
from keyfob.server.endpoints.oauth.token_device import poll
from keyfob.server.endpoints.oauth.token_mfa import second_factor
from keyfob.server.endpoints.oauth.token_password import with_password
from keyfob.server.endpoints.oauth.token_refresh import renew
from keyfob.server.site import Site


async def token(site: Site, request: Request) -> Response:
    """Read the request, find the program, and let its grant decide."""
    try:
        fields = read_parameters(request)
        grant = TokenRequest.read(fields).grant
    except Malformed as problem:
        return malformed(site, problem)
    if type_of(grant) not in GRANT_TYPES:
        return site.refuse("grant_unsupported")
    proven = await authenticate(site, request, fields)
    if isinstance(proven, Response):
        return proven
    if type_of(grant) not in proven.application.grants:
        return proven.refuse("grant_refused", grant=type_of(grant))
    call = await possess(proven)
    if isinstance(call, Response):
        return call
    return await _decide(call, grant)


async def _decide(call: Call, grant: Grant) -> Response:
    match grant:
        case AuthorizationCodeGrant():
            return await redeem_code(call, grant)
        case ClientCredentialsGrant():
            return as_itself(call, grant)
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

"""POST /oauth/introspect: token introspection (RFC 7662). With `wire = "auth0"`, it is off by default, as at Auth0."""

from __future__ import annotations

from keyfob.errors import InvalidToken, Malformed
from keyfob.protocol.claims import AccessClaims
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.introspection import IntrospectionRequest
from keyfob.protocol.secret import Secret
from keyfob.server.decide.access import account_of
from keyfob.server.decide.presented import Account
from keyfob.server.endpoints.oauth.client_request import ClientRequest, authenticate
from keyfob.server.endpoints.oauth.own_tokens import check_active, verify_own
from keyfob.server.endpoints.oauth.parameters import malformed, read_parameters
from keyfob.server.keyed_hash import keyed_hash, read_refresh
from keyfob.server.ports import Transaction
from keyfob.server.records import RefreshLogin
from keyfob.server.site import Site

_INACTIVE = {"active": False}


async def introspect(site: Site, request: Request) -> Response:
    """Describe a token to a confidential client.

    All inactive and unknown tokens get the same response (RFC 7662 §2.2).
    """
    if not site.config.offers_introspection:
        return site.refuse("endpoint_disabled")
    try:
        fields = read_parameters(request)
        token = IntrospectionRequest.read(fields).token
    except Malformed as problem:
        return malformed(site, problem)
    call = await authenticate(site, request, fields)
    if isinstance(call, Response):
        return call
    if call.application.is_public:
        return site.refuse("caller_unauthorized")
    return json_response(200, await _access(call, token) or await _refresh(call, token) or _INACTIVE)


async def _access(call: ClientRequest, token: Secret) -> dict[str, object] | None:
    site = call.site
    try:
        claims = verify_own(site, token, None)
        if not _may_read(call, claims):
            return None
        user = await check_active(site, claims)
    except InvalidToken:
        return None
    members = {"active": True, "client_id": claims.client_id, "token_type": "access_token", **claims.write("rfc9068")}
    members |= {"token_type": "DPoP" if claims.key_thumbprint else "Bearer"}
    return members | ({"username": user.email} if user else {})


def _may_read(call: ClientRequest, claims: AccessClaims) -> bool:
    """Return whether the token was issued to the caller, or the caller has a grant for the token's API."""
    if claims.client_id == call.application.client_id:
        return True
    config = call.site.config
    return any(config.grant(call.application.client_id, audience) for audience in claims.audience)


async def _refresh(call: ClientRequest, token: Secret) -> dict[str, object] | None:
    site = call.site
    parts = read_refresh(token, site.hash_keys.refresh)
    if parts is None:
        return None

    async def load(transaction: Transaction) -> tuple[RefreshLogin | None, Account]:
        found = await transaction.refresh_by_id(parts.login_id)
        user = None if found is None else await transaction.user_by_id(found.user_id)
        if found is None:
            return None, Account(None, None)
        return found, account_of(site.config, call.application, user, found.audience, found.scope)

    login, account = await site.store.read(load)
    is_current = login is not None and keyed_hash(site.hash_keys.refresh, parts.secret) in login.current_hashes
    if login is None or not is_current or login.has_ended or login.client_id != call.application.client_id:
        return None
    expires_at = min(login.expires_at, login.idle_expires_at)
    if call.now >= expires_at or account.is_closed:
        return None
    return {
        "active": True,
        "client_id": login.client_id,
        "sub": login.user_id,
        "scope": account.scope.write(),
        "exp": int(expires_at.timestamp()),
        "iat": int(login.created_at.timestamp()),
        "iss": site.config.issuer,
    }

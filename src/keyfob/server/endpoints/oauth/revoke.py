"""POST /oauth/revoke: revoke a refresh token, which ends its login, or a single access token (RFC 7009 §2)."""

from __future__ import annotations

from dataclasses import replace

from keyfob.errors import InvalidToken, Malformed
from keyfob.protocol.claims import AccessClaims
from keyfob.protocol.http import JSON, NO_STORE, Request, Response, json_response
from keyfob.protocol.revocation import RevocationRequest
from keyfob.protocol.secret import Secret
from keyfob.server.endpoints.oauth.client_request import ClientRequest, authenticate
from keyfob.server.endpoints.oauth.own_tokens import revocation_mark, verify_own
from keyfob.server.endpoints.oauth.parameters import malformed, read_parameters
from keyfob.server.keyed_hash import read_refresh
from keyfob.server.ports import Transaction
from keyfob.server.records import RefreshLogin
from keyfob.server.site import Site


async def revoke(site: Site, request: Request) -> Response:
    """Revoke a token. For an unknown token or another client's token, the response is also 200 (RFC 7009 §2.2)."""
    try:
        fields = read_parameters(request)
        token = RevocationRequest.read(fields).token
    except Malformed as problem:
        return malformed(site, problem)
    call = await authenticate(site, request, fields)
    if isinstance(call, Response):
        return call
    claims = _access_token(call, token)
    if claims is not None:
        mark = revocation_mark(site, claims)
        await site.store.write(lambda transaction: transaction.revoke_token(mark, claims.expires_at))
        call.note("srrt", user_id=claims.subject, login_id=claims.session_id or "", description="an access token")
    login = await _end_login(call, token)
    if login is not None:
        call.note("srrt", user_id=login.user_id, login_id=login.login_id.hex(), description="a refresh token")
    if site.config.wire == "auth0":  # an empty body, as at Auth0; simple-oauth2 still requires a media type
        return Response(200, (("content-type", JSON), *NO_STORE))
    return json_response(200, {})


def _access_token(call: ClientRequest, token: Secret) -> AccessClaims | None:
    """Return the claims if the token is a valid access token of the client, else None."""
    try:
        claims = verify_own(call.site, token, None)
    except InvalidToken:
        return None
    return claims if claims.client_id == call.application.client_id else None


async def _end_login(call: ClientRequest, token: Secret) -> RefreshLogin | None:
    """End the login of the client's refresh token.

    Return the login, or None if no login was found or the login had already ended.
    """
    parts = read_refresh(token, call.site.hash_keys.refresh)
    if parts is None:
        return None

    async def end(transaction: Transaction) -> RefreshLogin | None:
        login = await transaction.refresh_by_id(parts.login_id)
        if login is None or login.client_id != call.application.client_id or login.has_ended:
            return None
        await transaction.save_refresh(replace(login, has_ended=True))
        return login

    return await call.site.store.write(end)

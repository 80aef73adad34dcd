"""POST /oauth/revoke: revoke a refresh token (RFC 7009 §2). Like Auth0, it does not revoke access tokens."""

from __future__ import annotations

from dataclasses import replace

from keyfob.errors import Malformed
from keyfob.protocol.http import JSON, NO_STORE, Request, Response, json_response
from keyfob.protocol.revocation import RevocationRequest
from keyfob.server.endpoints.oauth.client_request import authenticate
from keyfob.server.endpoints.oauth.parameters import malformed, read_parameters
from keyfob.server.keyed_hash import read_refresh
from keyfob.server.ports import Transaction
from keyfob.server.site import Site


async def revoke(site: Site, request: Request) -> Response:
    """End the login of the token. Every other token is answered with the same 200 (RFC 7009 §2.2)."""
    try:
        fields = read_parameters(request)
        token = RevocationRequest.read(fields).token
    except Malformed as problem:
        return malformed(site, problem)
    call = await authenticate(site, request, fields)
    if isinstance(call, Response):
        return call
    parts = read_refresh(token, site.hash_keys.refresh)

    def end(transaction: Transaction) -> bool:
        login = None if parts is None else transaction.refresh_by_id(parts.login_id)
        if login is None or login.client_id != call.application.client_id or login.has_ended:
            return False
        transaction.save_refresh(replace(login, has_ended=True))
        return True

    if parts is not None and await site.store.write(end):
        call.note("srrt")
    if site.config.wire == "auth0":  # an empty body, as Auth0; simple-oauth2 wants a type all the same
        return Response(200, (("content-type", JSON), *NO_STORE))
    return json_response(200, {})

"""Grant client_credentials: issue a token for the client itself (RFC 6749 §4.4), without writing to the store."""

from __future__ import annotations

from keyfob.protocol.grants import ClientCredentialsGrant
from keyfob.protocol.http import Response
from keyfob.server.decide.access import NoAccess, decide_client_access
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.issue import TOKEN_ID_BYTES, TokenContent


def issue_to_client(call: ClientRequest, asked: ClientCredentialsGrant) -> Response:
    """Issue an access token, without a refresh token or an ID token (RFC 6749 §4.4.3)."""
    site = call.site
    decision = decide_client_access(site.config, call.application, asked)
    if isinstance(decision, NoAccess):
        call.note("feccft", description=decision.outcome)
        return call.refuse(decision.outcome, **decision.words)
    content = TokenContent(
        call.application,
        decision.api,
        decision.scope,
        permissions=tuple(sorted(decision.scope.names)),
        grant="client-credentials",
        key_thumbprint=call.key_thumbprint,
        certificate_thumbprint=call.certificate_thumbprint,
    )
    issued = site.token_issuer.issue(content, call.now, site.random(TOKEN_ID_BYTES))
    call.note("seccft", audience=decision.api.audience)
    return call.token_response(issued)

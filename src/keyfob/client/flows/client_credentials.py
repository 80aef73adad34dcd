"""Service accounts: the client credentials grant, or workload identity (RFC 6749 §4.4, RFC 8693, RFC 7523)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from keyfob.client.auth.client_auth import OAuthClient, request_tokens
from keyfob.client.auth.dpop import make_dpop_key
from keyfob.client.auth.token_response import read_tokens
from keyfob.client.auth.workload_identity import ACCESS_TOKEN, check_issued, check_platform_token, grant_of
from keyfob.client.flows.discovery import discover
from keyfob.client.model.credential import Credential, PlatformToken
from keyfob.client.model.notices import NotBound
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import World
from keyfob.errors import Misuse, Refused
from keyfob.protocol.grants import ClientCredentialsGrant, Grant, TokenExchangeGrant
from keyfob.protocol.http import Response
from keyfob.protocol.oauth_error import INVALID_GRANT, INVALID_REQUEST, UNAUTHORIZED_CLIENT, OAuthError
from keyfob.protocol.secret import Secret

_NO_GRANT: Final = "The server does not support this grant; try another use of the identity."
_HINTS: Final = {
    INVALID_GRANT: "Check the identity token: the server must trust its issuer, subject and audience.",
    UNAUTHORIZED_CLIENT: "Enable this grant for the client at the server.",
    "unsupported_grant_type": _NO_GRANT,
}


async def log_in(
    world: World,
    profile: Profile,
    credential: Credential | None,
    identity: PlatformToken | None = None,
    proof_key: Secret | None = None,
) -> StoredLogin:
    """Request an access token. The client gets no refresh token: it repeats this request when the access token expires.

    Args:
        credential: The client's secret or key, or a token of the platform (such as Kubernetes) to use as client
            assertion.
        identity: A token of the platform to exchange (RFC 8693) or to use as the grant (RFC 7523).
        proof_key: The DPoP key of the previous token; None if that token was not bound to a key.

    Raises:
        Refused: The server refuses the client or the request.
        Unreachable: There is no usable response.
        Malformed: The metadata or the tokens violate the protocol.
        Misuse: The issuer's address is unsafe, the client has no credential, or the platform's token is unusable.
    """
    platform_token = identity or (credential if isinstance(credential, PlatformToken) else None)
    if credential is None and identity is None:
        raise Misuse(
            "a public client cannot use the client credentials grant",
            hint="Give it a secret, a key or a workload identity.",
        )
    if platform_token is not None:
        check_platform_token(platform_token, profile.identity_as, world.now().wall)
    metadata = await discover(world, profile)
    client = OAuthClient.context(metadata, profile.client_id, credential)
    client.dpop_key = make_dpop_key(world, profile, metadata, proof_key)
    grant = _grant(profile, identity)
    response = await request_tokens(world, client, metadata.token_endpoint, grant)
    if isinstance(grant, TokenExchangeGrant) and _code(response) == INVALID_REQUEST:
        # Some servers, such as Keycloak 26, accept only the type `access_token`, whatever the token's real type.
        other = replace(grant, subject_token_type=ACCESS_TOKEN)
        if other != grant:
            response = await request_tokens(world, client, metadata.token_endpoint, other)
    try:
        answer = read_tokens(response, "the server refused the login of this client", client.token_types)
        check_issued(answer.issued_token_type)
    except Refused as problem:
        if not problem.hint:
            problem.hint = _HINTS.get(problem.oauth_code, "Check the audience and the scope.")
            problem.flags = "--identity-as" if problem.hint == _NO_GRANT else ""
        raise
    if profile.dpop != "off" and answer.token_type != "DPoP":
        world.notify(NotBound())
    return StoredLogin.of(answer, metadata, profile, client, None, world.now().wall)


def _code(response: Response) -> str:
    error = OAuthError.find(response) if response.status != 200 else None
    return "" if error is None else error.error


def _grant(profile: Profile, identity: PlatformToken | None) -> Grant:
    if identity is None:
        return ClientCredentialsGrant(profile.target, profile.scope or None)
    return grant_of(identity, profile.identity_as, profile.target, profile.scope or None)

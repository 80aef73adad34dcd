"""A program logs in as itself: client credentials, or its platform's token (RFC 6749 §4.4, RFC 8693, RFC 7523)."""

from __future__ import annotations

from keyfob.client.auth.client_auth import OAuthClient, request_tokens
from keyfob.client.auth.dpop import make_dpop_key
from keyfob.client.auth.token_response import read_tokens
from keyfob.client.auth.workload_identity import check_issued, check_platform_token, grant_of
from keyfob.client.flows.discovery import discover
from keyfob.client.model.credential import Credential, PlatformToken
from keyfob.client.model.notices import NotBound
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import World
from keyfob.errors import Misuse, Refused
from keyfob.protocol.grants import ClientCredentialsGrant, Grant
from keyfob.protocol.secret import Secret


async def log_in(
    world: World,
    profile: Profile,
    credential: Credential | None,
    identity: PlatformToken | None = None,
    proof_key: Secret | None = None,
) -> StoredLogin:
    """From nothing to an access token that may be kept; there is no refresh token, the program just asks again.

    Args:
        profile: Which login.
        credential: What the program proves itself with: its secret, its key, or the platform's token as an assertion.
        identity: The platform's token, where it is exchanged or is the grant itself.
        proof_key: What its tokens were bound to so far, if they were.

    Raises:
        Refused: The server does not know the program, or will not give it that.
        Unreachable: No usable answer at the moment.
        Malformed: Metadata or tokens came, but not as they should.
        Misuse: The issuer could never be asked safely, the program has nothing to show, or the platform's token will
            not do.
    """
    shown = identity or (credential if isinstance(credential, PlatformToken) else None)
    if credential is None and identity is None:
        raise Misuse("a public program cannot log in as itself", hint="It needs a secret, a key or an identity.")
    if shown is not None:
        check_platform_token(shown, profile.identity_as, world.now().wall)
    metadata = await discover(world, profile)
    client = OAuthClient.context(metadata, profile.client_id, credential)
    client.dpop_key = make_dpop_key(world, profile, metadata, proof_key)
    response = await request_tokens(world, client, metadata.token_endpoint, _grant(profile, identity))
    try:
        answer = read_tokens(response, "the server does not let this program in", client.token_types)
        check_issued(answer.issued_token_type)
    except Refused as problem:
        problem.hint = problem.hint or "Look at the audience and the scope."
        raise
    if profile.dpop != "off" and answer.token_type != "DPoP":
        world.notify(NotBound())
    return StoredLogin.of(answer, metadata, profile, client, None, world.now().wall)


def _grant(profile: Profile, identity: PlatformToken | None) -> Grant:
    if identity is None:
        return ClientCredentialsGrant(profile.target, profile.scope or None)
    return grant_of(identity, profile.identity_as, profile.target, profile.scope or None)

"""The device flow (RFC 8628).

`log_in` runs the whole flow, and blocks while the user decides. A program that must not block calls `begin`, and later
`finish`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from keyfob.client.auth.client_auth import OAuthClient, post
from keyfob.client.auth.token_response import refuse
from keyfob.client.flows.polling import UNAUTHORIZED_HINT, TokenPoll, poll
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.login_state import PendingLogin
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import CodeShown
from keyfob.client.model.profile import Profile
from keyfob.client.ports import World, random_word
from keyfob.errors import Refused
from keyfob.protocol.device import DeviceAnswer, DeviceRequest
from keyfob.protocol.fields import read_json
from keyfob.protocol.grants import DeviceCodeGrant
from keyfob.protocol.http import Response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.oauth_error import (
    UNAUTHORIZED_CLIENT,
    OAuthError,
)
from keyfob.protocol.pkce import S256, challenge_of
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer

_HINTS: Final = {UNAUTHORIZED_CLIENT: UNAUTHORIZED_HINT}


async def log_in(world: World, metadata: ServerMetadata, client: OAuthClient, profile: Profile) -> TokenAnswer:
    """Request the codes, show the user code, and poll until the user has decided.

    Raises the errors of `begin` and `finish`.
    """
    pending = await begin(world, metadata, client, profile)
    return await finish(world, pending, client)


async def begin(
    world: World,
    metadata: ServerMetadata,
    client: OAuthClient,
    profile: Profile,
    *,
    opens: bool = False,
    assurance: Assurance = ANY_LOGIN,
) -> PendingLogin:
    """Request a device code and a user code, and show the user code (RFC 8628 §3.1-3.3).

    Args:
        opens: Whether to open `verification_uri_complete` on this machine, as the user requested. The code is shown in
            any case, so that the user can compare it (§3.3.1).
        assurance: Requirements on the user's authentication; a server may ignore them.

    Raises:
        Refused: The server refuses this client; code `flow-unavailable` if the server has no device endpoint.
        Malformed: The response violates RFC 8628 §3.2.
        Unreachable: There is no response. The request is not retried, since no user waits yet.
    """
    endpoint = metadata.device_authorization_endpoint
    if endpoint is None:
        raise Refused("this server does not support the device flow", code="flow-unavailable")
    request = DeviceRequest(
        client.client_id,
        profile.scope,
        profile.target,
        acr_values=assurance.acr_values,
        max_age=assurance.max_age,
    )
    if metadata.device_facts_supported:
        here, _ = world.surroundings()
        request = replace(request, device_name=here.host, device_system=here.system)
    verifier = None
    if S256 in metadata.code_challenge_methods_supported:
        verifier = Secret(random_word(world))
        request = replace(request, code_challenge=challenge_of(verifier), code_challenge_method=S256)
    response = await post(world, client, endpoint, request.write())
    if response.status != 200:
        refuse(response, "the server refused to start a device login", _HINTS.get(_code(response), ""))
    answer = DeviceAnswer.read(read_json(response.body, "device answer"))
    start = world.now()
    deadline = Moment(start.wall + answer.expires_in, start.steady + answer.expires_in)
    shown = CodeShown(
        answer.user_code,
        answer.verification_uri,
        answer.verification_uri_complete,
        answer.expires_in,
        deadline.wall,
    )
    world.notify(shown)
    if opens:
        await world.open_browser(shown.verification_uri_complete or shown.verification_uri)
    return PendingLogin(
        profile,
        metadata.token_endpoint,
        answer.device_code,
        verifier,
        answer.interval,
        deadline,
        shown,
        assurance,
    )


def token_poll(pending: PendingLogin) -> TokenPoll:
    """Return the token request of a pending login, with its interval and deadline."""
    grant = DeviceCodeGrant(pending.device_code, pending.verifier)
    return TokenPoll(pending.token_endpoint, grant, pending.interval, pending.deadline)


async def finish(world: World, pending: PendingLogin, client: OAuthClient) -> TokenAnswer:
    """Poll until the user has decided (RFC 8628 §3.4-3.5). Raises the errors of `polling.poll_or`."""
    return await poll(world, token_poll(pending), client)


def _code(response: Response) -> str:
    error = OAuthError.find(response)
    return "" if error is None else error.error

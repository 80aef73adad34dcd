"""The scope and parameters of a user's login, and the fallbacks if the server refuses them (RFC 6749 §3.3, RFC 9126).

keyfob adds scopes to those that the user named, and does not push the authorization request. Some servers refuse the
added scopes to some clients. Other servers require a pushed request from some clients. Their metadata does not announce
this, so the first login fails. keyfob then repeats the login without the refused scopes, or with a pushed request. It
stores the refusal for this issuer and client.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from keyfob.client.auth.client_auth import OAuthClient
from keyfob.client.auth.dpop import make_dpop_key
from keyfob.client.flows.discovery import discover
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.credential import Credential
from keyfob.client.model.login_state import UNPUSHED, scope_refusals
from keyfob.client.model.presets import habits_of
from keyfob.client.model.profile import Profile
from keyfob.client.ports import World
from keyfob.errors import LoginDeclined, LoginRequired, Misuse, Refused
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.oauth_error import INVALID_REQUEST, INVALID_SCOPE, UNAUTHORIZED_CLIENT
from keyfob.protocol.scope import Scope

_OFFLINE: Final = Scope.of(["offline_access"])
_OPENID: Final = Scope.of(["openid"])
# `device_flow_disabled` is GitHub's.
_FLOW_REFUSED: Final = frozenset(
    {UNAUTHORIZED_CLIENT, "unsupported_grant_type", "unsupported_response_type", "device_flow_disabled"}
)
_NOT_ALLOWED: Final = "not_allowed"  # Keycloak: this user or client may not have offline_access


@dataclass(frozen=True, slots=True)
class LoginContext:
    """One login at one authorization server.

    Attributes:
        settings: The profile as it is stored, without the added scopes.
        added: The scopes that keyfob requests in addition to the profile's.
    """

    settings: Profile
    metadata: ServerMetadata
    client: OAuthClient
    assurance: Assurance = ANY_LOGIN
    added: Scope = Scope()

    @property
    def profile(self) -> Profile:
        """The profile, whose scope includes the added scopes."""
        return replace(self.settings, scope=self.settings.scope | self.added)


async def find(
    world: World, profile: Profile, credential: Credential | None = None, assurance: Assurance = ANY_LOGIN
) -> LoginContext:
    """Fetch the metadata, choose scope and client authentication, and make a DPoP key if tokens will be bound to one.

    Raises:
        Misuse: The server requires a client secret even from native apps, and the client has no secret.
        KeyfobError: Any error of `discover` or `make_dpop_key`.
    """
    habits = habits_of(profile.issuer)
    is_by_code = profile.flow in {"browser", "paste"}
    if credential is None and habits.code_needs_secret and (habits.device_needs_secret or is_by_code):
        what = "this issuer requires a client secret, even from a public client"
        hint, flags = "Pass the file or the variable that contains it", "--secret-file PATH or --secret-env NAME"
        if not habits.device_needs_secret:
            hint, flags = f"{hint}, or log in with a code, which needs none", f"{flags}; or --flow device"
        raise Misuse(what, hint=f"{hint}.", flags=flags)
    metadata = await discover(world, profile)
    if credential is None and habits.code_needs_secret:
        metadata = replace(metadata, authorization_endpoint=None)
    refused = world.load_capabilities(profile.issuer, profile.client_id).fresh(world.now().wall)
    if UNPUSHED in refused.refused:
        metadata = replace(metadata, require_pushed_authorization_requests=True)
    client = OAuthClient.context(metadata, profile.client_id, credential)
    client.dpop_key = make_dpop_key(world, profile, metadata)
    added = profile.added_scope - refused.refused_scope
    if metadata.scopes_supported:
        added &= Scope.of(metadata.scopes_supported)
    return LoginContext(profile, metadata, client, assurance, added)


def concede(context: LoginContext, problem: Refused) -> LoginContext | None:
    """Return a changed login that the server may accept; None if no change can help.

    - The server refused a scope: the first call drops all added scopes except `openid`. A second call drops `openid`
      too.
    - The server requires a pushed request: the returned login pushes its request.
    """
    if problem.oauth_code == INVALID_REQUEST and "push" in problem.message.lower():
        return _pushed(context)
    refused = {
        _NOT_ALLOWED: context.added & _OFFLINE,
        INVALID_SCOPE: context.added - _OPENID or context.added,
    }.get(problem.oauth_code)
    return replace(context, added=context.added - refused) if refused else None


def is_for_this_client(problem: Refused) -> bool:
    """Return whether the server refuses this flow to this client in general, and would refuse other logins too."""
    is_final = isinstance(problem, LoginDeclined | LoginRequired)
    return not is_final and (problem.code == "flow-unavailable" or problem.oauth_code in _FLOW_REFUSED)


def _pushed(context: LoginContext) -> LoginContext | None:
    """Return the login with a pushed request (RFC 9126 §6).

    Return None if the server has no endpoint for pushed requests, or if the request was already pushed.
    """
    metadata = context.metadata
    if metadata.require_pushed_authorization_requests or metadata.pushed_authorization_request_endpoint is None:
        return None
    return replace(context, metadata=replace(metadata, require_pushed_authorization_requests=True))


def remember(world: World, before: LoginContext, after: LoginContext, refused_flows: tuple[str, ...] = ()) -> None:
    """Store what the server refused, after a login that has succeeded without it.

    Before that success, the cause of a refusal is uncertain, so nothing is stored.

    Args:
        before: The context in which the login began.
        after: The context in which the login succeeded.
        refused_flows: The flows that the server refused to this client.
    """
    refused = (*refused_flows, *scope_refusals(before.added - after.added))
    is_pushed = after.metadata.require_pushed_authorization_requests
    if is_pushed and not before.metadata.require_pushed_authorization_requests:
        refused += (UNPUSHED,)
    if not refused:
        return
    issuer, client_id, moment = after.settings.issuer, after.settings.client_id, world.now().wall
    capabilities = world.load_capabilities(issuer, client_id).fresh(moment)
    world.save_capabilities(issuer, client_id, capabilities.with_refusals(refused, moment))


def forget(world: World, context: LoginContext, flow: str) -> None:
    """Delete the stored refusal of a flow that has now succeeded."""
    issuer, client_id = context.settings.issuer, context.settings.client_id
    capabilities = world.load_capabilities(issuer, client_id)
    if flow in capabilities.refused:
        world.save_capabilities(issuer, client_id, capabilities.without(flow))

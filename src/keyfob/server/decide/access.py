"""Decide a token's API and scope from API grants, roles and permissions (RFC 6749 §3.3, RFC 8707 §2.2, Auth0)."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from keyfob.light import light_dataclass
from keyfob.protocol.address import is_web_url
from keyfob.protocol.grants import ClientCredentialsGrant
from keyfob.protocol.scope import Scope
from keyfob.protocol.target import Target
from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.decide.presented import Account
from keyfob.server.decide.token_checks import MACHINE
from keyfob.server.decide.token_facts import MachineFacts
from keyfob.server.records import User
from keyfob.server.settings.config import IDENTITY_SCOPES, TenantConfig
from keyfob.server.settings.registered import Api, Application
from keyfob.server.wire import Outcome

_OFFLINE: Final = Scope.of(["offline_access"])


@light_dataclass(frozen=True, slots=True)
class ApiAccess:
    """The API that a token is issued for, and the token's scope at this API."""

    api: Api
    scope: Scope


@light_dataclass(frozen=True, slots=True)
class NoAccess:
    """The reason why no token can be issued for an API, and the values for the placeholders in the error text."""

    outcome: Outcome
    words: dict[str, str] = field(default_factory=dict[str, str])


def decide_client_access(
    config: TenantConfig, application: Application, asked: ClientCredentialsGrant
) -> ApiAccess | NoAccess:
    """Decide the API and scope of a client credentials grant, or return the reason why there is no token.

    If the request names a scope, the token gets exactly this scope. Otherwise, the token gets the whole scope that the
    client was granted at the API.
    """
    facts = MachineFacts.of(config, application, asked)
    refused = first_failed_check(MACHINE, facts)
    if refused is not None:
        return NoAccess(refused.outcome, {"audience": facts.audience or "", "scopes": facts.not_granted.write()})
    assert facts.api is not None, "an unknown API is refused"  # noqa: S101
    return ApiAccess(facts.api, facts.granted if asked.scope is None else asked.scope)


def decide_access(config: TenantConfig, application: Application, target: Target, asked: Scope) -> ApiAccess | NoAccess:
    """Decide the API and scope that a client may request on behalf of a user. Unknown scopes are dropped.

    Return the reason if the API does not exist or the client may not use it.
    """
    audience = target.audience
    if target.is_resource and audience is not None and ("#" in audience or not is_web_url(audience)):
        return NoAccess("audience_unknown", {"audience": audience})  # RFC 8707 §2: an absolute URI, no fragment
    api = config.target(audience)
    if api is None:
        return NoAccess("audience_unknown", {"audience": audience or "none"})
    scope = config.grantable(asked, api)
    if api.users == "allow_all":
        return ApiAccess(api, scope)
    grant = config.grant(application.client_id, api.audience)
    if api.users == "deny_all" or grant is None:
        return NoAccess("api_closed", {"client_id": application.client_id, "audience": api.audience})
    return ApiAccess(api, scope - (Scope.of(api.scopes) - Scope.of(grant.scopes)))


def account_of(
    config: TenantConfig, application: Application, user: User | None, audience: str, scope: Scope
) -> Account:
    """Return the user, the API, and the part of a granted scope that the current settings still allow.

    The same settings apply as for a new request: the API, the API's scopes, the clients that may use the API, the
    client's grant and connections, and the user's permissions.

    The returned account has no API in these cases:

    - `user` is None.
    - These settings no longer allow the user or the client to use the API.
    - The granted scope contained other scopes than `offline_access`, and none of these is allowed any more.
    """
    access = decide_access(config, application, Target(audience), scope)
    if user is None or isinstance(access, NoAccess) or user.connection not in application.connections:
        return Account(user, None)
    permissions = permissions_of(config, user, access.api)
    left = within_permissions(access.scope, permissions, access.api)
    had_reach, has_reach = bool((scope - _OFFLINE).names), bool((left - _OFFLINE).names)
    return Account(user, access.api if has_reach or not had_reach else None, left, permissions)


def permissions_of(config: TenantConfig, user: User, api: Api) -> tuple[str, ...]:
    """Return the user's permissions at an API, granted by roles or directly."""
    pairs = {pair for role in config.roles if role.name in user.roles for pair in role.permissions}
    found = {scope for audience, scope in pairs | set(user.permissions) if audience == api.audience}
    return tuple(sorted(found & api.scopes.keys()))


def within_permissions(scope: Scope, permissions: tuple[str, ...], api: Api) -> Scope:
    """Return the part of a scope that the user's permissions at the API allow.

    If the API enforces permissions, remove its scopes that are not among `permissions`. Otherwise, return the whole
    scope.
    """
    if not api.enforces_permissions:
        return scope
    return scope - (Scope.of(api.scopes) - Scope.of(permissions))


def expand(asked: Scope | None, api: Api, config: TenantConfig) -> Scope:
    """Return the scope of a password grant, extended as Auth0 does.

    - If the API is /userinfo and the request names no scope, the standard scopes in `IDENTITY_SCOPES` are used.
    - If `openid` is the only standard scope in the request, all of `IDENTITY_SCOPES` are added.
    - If the request names no scope of the API, all scopes of the API are added.
    """
    scope = asked or Scope()
    if api.audience == config.userinfo_audience and not scope:
        scope = Scope.of(IDENTITY_SCOPES)
    if scope & Scope.of(IDENTITY_SCOPES) == Scope.of(["openid"]):
        scope = Scope(scope.names | set(IDENTITY_SCOPES))
    if not scope.names & api.scopes.keys():
        scope = Scope(scope.names | api.scopes.keys())
    return scope

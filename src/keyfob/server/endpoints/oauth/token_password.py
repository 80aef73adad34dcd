"""Grants password and password-realm: legacy; tenant, application and connection must allow it (RFC 6749 §4.3)."""

from __future__ import annotations

from ipaddress import ip_address

from keyfob.protocol.grants import PASSWORD, PASSWORD_REALM, PasswordGrant
from keyfob.protocol.http import Response
from keyfob.protocol.scope import Scope
from keyfob.server.decide.access import NoReach, Reach, decide_reach, expand
from keyfob.server.decide.multifactor import is_due
from keyfob.server.endpoints.oauth.client_request import Call
from keyfob.server.endpoints.oauth.factors import begin_factor
from keyfob.server.endpoints.oauth.issuing import issue_once
from keyfob.server.endpoints.password_check import LONGEST_EMAIL, NotThem, check_password
from keyfob.server.issue import Grounds
from keyfob.server.settings.registered import Connection
from keyfob.server.wire import Outcome, answer


async def with_password(call: Call, asked: PasswordGrant) -> Response:
    """Tokens for a password; or a second factor is due."""
    name = PASSWORD_REALM if asked.has_realm else PASSWORD
    connection = _directory(call, asked)
    if not isinstance(connection, Connection):
        call.note("fepft", description=connection)
        return call.refuse(connection, grant=name, realm=asked.realm or "")
    reach = _reach(call, asked)
    if isinstance(reach, NoReach):
        call.note("fepft", description=reach.outcome)
        return call.refuse(reach.outcome, **reach.words)
    site, email = call.site, asked.username.strip()[:LONGEST_EMAIL]
    user = await check_password(site, call.request, (connection.name,), email, asked.password, peer=_forwarded(call))
    if isinstance(user, NotThem):
        call.note("fepft", user_name=email, description="refused")
        if user.wait:
            retry = (*call.headers, ("retry-after", str(int(user.wait.total_seconds()) + 1)))
            return answer(site.config.wire, "attempts_many", headers=retry)
        return call.refuse("user_blocked" if user.is_blocked else "password_wrong")
    factors = await site.store.read(lambda transaction: transaction.authenticators(user.user_id))
    if is_due(site.config.mfa, (one for one in factors if one.is_active)):
        return await begin_factor(call, user, reach, name, factors)
    grounds = Grounds(call.application, reach.api, reach.scope, user, call.now, grant=gty(name))
    issued = await issue_once(call, grounds, lambda _, __: True)
    assert issued is not None, "a password is not spent"  # noqa: S101
    call.note("sepft", user_id=user.user_id)
    return call.hand_over(issued)


def gty(grant: str) -> str:
    """Auth0's name of the grant inside tokens."""
    return "password-realm" if grant == PASSWORD_REALM else "password"


def _directory(call: Call, asked: PasswordGrant) -> Connection | Outcome:
    """Where to look the person up, or why not."""
    config = call.site.config
    if not config.allows_password:
        return "password_off"
    connection = config.connection(asked.realm or config.default_directory)
    if connection is None and asked.realm is None:
        return "directory_missing"
    if connection is None or connection.name not in call.application.connections:
        return "realm_unknown"
    return connection if connection.allows_password else "password_off"


def _reach(call: Call, asked: PasswordGrant) -> Reach | NoReach:
    config = call.site.config
    reach = decide_reach(config, call.application, asked.target, asked.scope or Scope())
    if isinstance(reach, NoReach):
        return reach
    return decide_reach(config, call.application, asked.target, expand(asked.scope, reach.api, config))


def _forwarded(call: Call) -> str:
    """The person's own address, from a program that is trusted to say it and has proven who it is."""
    application = call.application
    if not application.trusts_forwarded_for or application.is_public:
        return ""
    try:
        return str(ip_address((call.request.header("auth0-forwarded-for") or "").partition(",")[0].strip()))
    except ValueError:
        return ""

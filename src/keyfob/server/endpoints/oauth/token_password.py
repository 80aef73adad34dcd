"""The legacy grants password and password-realm (RFC 6749 §4.3). Tenant, client and connection must allow them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from keyfob.protocol.grants import PASSWORD, PASSWORD_REALM, PasswordGrant
from keyfob.protocol.http import Response
from keyfob.protocol.scope import Scope
from keyfob.server.decide.access import ApiAccess, NoAccess, decide_access, expand
from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.decide.limits import LONGEST_EMAIL
from keyfob.server.decide.multifactor import is_due
from keyfob.server.decide.token_checks import PASSWORDS
from keyfob.server.decide.token_facts import PasswordFacts
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.endpoints.oauth.factors import begin_factor
from keyfob.server.endpoints.oauth.issuing import issue_once
from keyfob.server.endpoints.password_check import PasswordRefused, check_password
from keyfob.server.issue import TokenContent
from keyfob.server.wire import answer, retry_after


async def with_password(call: ClientRequest, asked: PasswordGrant) -> Response:
    """Issue tokens for a password, or answer that a second factor is required."""
    site, config, name = call.site, call.site.config, PASSWORD_REALM if asked.has_realm else PASSWORD
    connection, access = config.connection(asked.realm or config.default_directory), _access(call, asked)
    words = access.words if isinstance(access, NoAccess) else {}
    outcome = access.outcome if isinstance(access, NoAccess) else None
    facts = PasswordFacts(config, call.application, asked.realm, connection, outcome)
    refused = first_failed_check(PASSWORDS, facts)
    if refused is not None:
        call.note("fepft", description=refused.outcome)
        return call.refuse(refused.outcome, grant=name, realm=asked.realm or "", **words)
    assert connection is not None, "an unknown connection fails a check"  # noqa: S101
    assert isinstance(access, ApiAccess)  # noqa: S101
    email = asked.username.strip()[:LONGEST_EMAIL]
    user = await check_password(site, call.request, (connection.name,), email, asked.password, peer=_forwarded(call))
    if isinstance(user, PasswordRefused) and user.is_busy:
        return answer(config.wire, "busy", headers=call.headers + retry_after(user.wait))
    if isinstance(user, PasswordRefused):
        checked = replace(facts, wait=user.wait, is_right=user.is_blocked, is_blocked=user.is_blocked)
        return _refuse_password(call, checked, email)
    factors = await site.store.read(lambda transaction: transaction.authenticators(user.user_id))
    due = is_due(config.mfa, (one for one in factors if one.is_active))
    refused = first_failed_check(PASSWORDS, replace(facts, is_right=True, is_factor_due=due))
    if refused is not None and refused.row == "factor":
        begun = await begin_factor(call, user, access, name, factors)
        return begun or _refuse_password(call, replace(facts, is_right=False), email)
    if refused is not None:
        call.note("fepft", user_id=user.user_id, description="a second factor is due")
        return call.refuse(refused.outcome)
    content = TokenContent(call.application, access.api, access.scope, user, call.now, grant=gty(name))
    issued = await issue_once(call, "sepft", content)
    if issued is None:  # the password was changed, or the user blocked, while it was verified
        return _refuse_password(call, replace(facts, is_right=False), email)
    return call.token_response(issued)


def _refuse_password(call: ClientRequest, facts: PasswordFacts, email: str) -> Response:
    refused = first_failed_check(PASSWORDS, facts)
    assert refused is not None, "a wrong password fails a check"  # noqa: S101
    call.note("fepft", user_name=email, description=refused.row)
    headers = call.headers + (retry_after(facts.wait) if facts.wait else ())
    return answer(call.site.config.wire, refused.outcome, headers=headers)


def gty(grant: str) -> str:
    """Return the value of Auth0's claim `gty` for a grant."""
    return "password-realm" if grant == PASSWORD_REALM else "password"


def _access(call: ClientRequest, asked: PasswordGrant) -> ApiAccess | NoAccess:
    config = call.site.config
    access = decide_access(config, call.application, asked.target, asked.scope or Scope())
    if isinstance(access, NoAccess):
        return access
    return decide_access(config, call.application, asked.target, expand(asked.scope, access.api, config))


def _forwarded(call: ClientRequest) -> str:
    """Return the user's IP address as sent by a client that is trusted and has authenticated, or ""."""
    application = call.application
    if not application.trusts_forwarded_for or application.is_public:
        return ""
    try:
        return str(ip_address((call.request.header("auth0-forwarded-for") or "").partition(",")[0].strip()))
    except ValueError:
        return ""

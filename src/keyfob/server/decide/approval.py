"""Decide whether a user may approve a device login now, and what the approval grants (RFC 10027 §6.1, RFC 8628 §5.4).

Only the nearness `same` counts as near. An IPv4 and an IPv6 address cannot be compared, so their nearness is `unknown`.
If `unknown` counted as near, an attacker with an IPv6 address would count as near to every user with an IPv4 address.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from keyfob.protocol.scope import Scope
from keyfob.server.records import Nearness
from keyfob.server.settings.device_rules import DeviceRules

Approval = Literal["approve", "log_in", "refuse"]
END_LINK_LIFETIME: Final = timedelta(days=7)  # the lifetime of the link in the e-mail about a new device


def decide_approval(
    rules: DeviceRules, nearness: Nearness, auth_time: datetime | None, now: datetime, *, just_logged_in: bool = False
) -> Approval:
    """Decide whether a user who confirms the code may approve, must log in first, or is refused.

    Args:
        rules: The client's rules for device logins.
        nearness: Whether the browser is in the device's network.
        auth_time: The time of the browser's last login; None if no user is logged in.
        now: The current time, aware, UTC.
        just_logged_in: Whether the user logged in for this approval.
    """
    is_far = nearness != "same"
    if rules.nearness == "deny" and is_far:
        return "refuse"
    if auth_time is None:
        return "log_in"
    if just_logged_in:
        return "approve"
    if rules.nearness == "step_up" and is_far:
        return "log_in"
    if rules.login_age is not None and now - auth_time > rules.login_age:
        return "log_in"
    return "approve"


def needs_factor(rules: DeviceRules, nearness: Nearness) -> bool:
    """Return whether the client's rules require a second factor for this approval.

    If so, a user who has a second factor must use it, even if the tenant's setting `mfa` requires none.
    """
    return rules.nearness == "step_up" and nearness != "same"


def scope_of(rules: DeviceRules, nearness: Nearness | None, scope: Scope) -> Scope:
    """Return the part of a scope that an approval grants.

    From the device's own network, this is the whole scope. From another or an unknown network, only the scopes in
    `far_scopes` are granted; if `far_scopes` is None, the whole scope is granted.
    """
    if nearness == "same" or rules.far_scopes is None:
        return scope
    return scope & Scope.of(rules.far_scopes)


def lifetime_of(rules: DeviceRules, nearness: Nearness | None) -> timedelta | None:
    """Return the maximum lifetime of the approved login, or None if the client's usual lifetime applies.

    A maximum applies only to an approval from another or an unknown network.
    """
    return None if nearness == "same" else rules.far_lifetime

"""Decide whether a user may approve a device login now, and what the approval is worth (RFC 10027 §6.1, RFC 8628 §5.4).

Only `same` counts as near. If `unknown` were enough, an attacker would choose IPv6 where the user has IPv4.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from keyfob.protocol.scope import Scope
from keyfob.server.records import Nearness
from keyfob.server.settings.device_rules import DeviceRules

Approval = Literal["approve", "log_in", "refuse"]
END_LINK_LIFETIME: Final = timedelta(days=7)  # of the link in the e-mail about a new device


def decide_approval(
    rules: DeviceRules, nearness: Nearness, auth_time: datetime | None, now: datetime, *, just_logged_in: bool = False
) -> Approval:
    """Decide what follows when the user confirms the code.

    Args:
        rules: Those of the client.
        nearness: Whether the browser is in the device's network.
        auth_time: The time of the browser's last login; None: no user is logged in.
        now: Aware, UTC.
        just_logged_in: Whether that login was made for this approval.
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
    """Return whether the login for an approval needs the second factor of a user who has one, whatever `mfa` says."""
    return rules.nearness == "step_up" and nearness != "same"


def scope_of(rules: DeviceRules, nearness: Nearness | None, scope: Scope) -> Scope:
    """Return the part of a scope that an approval grants. An approval from another network may be worth less."""
    if nearness == "same" or rules.far_scopes is None:
        return scope
    return scope & Scope.of(rules.far_scopes)


def lifetime_of(rules: DeviceRules, nearness: Nearness | None) -> timedelta | None:
    """Return how long the login of an approval may last; None: as long as others of the client."""
    return None if nearness == "same" else rules.far_lifetime

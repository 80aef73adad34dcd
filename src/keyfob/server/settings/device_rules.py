"""The rules for approving device logins: those of a tenant, and a client's exceptions (docs/phishing.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, Final, Literal

from keyfob.errors import Misuse

NearnessPolicy = Literal["off", "warn", "step_up", "deny"]


@dataclass(frozen=True, slots=True)
class DeviceRules:
    """The rules of a tenant for approving device logins.

    Attributes:
        nearness: The consequence if the browser is not in the device's network: nothing, a warning, a new login with
            the second factor, or a refusal.
        complete_links: Whether a URL with the user code opens the page to compare the code. If False, the user types
            the code, and the device authorization response has no `verification_uri_complete`.
        number_back: Whether the user must type a number from the page into the client after the approval.
        login_age: The greatest age that the user's login in the browser may have at an approval; None allows any age.
        far_lifetime: The maximum lifetime of a login that was approved from another or an unknown network; None means
            the usual lifetime.
        far_scopes: The scopes that a login may have if it was approved from another or an unknown network; None allows
            all.
        notice: Whether the user gets an e-mail about each new device, with a link that ends the login.
    """

    nearness: NearnessPolicy = "warn"
    complete_links: bool = True
    number_back: bool = False
    login_age: timedelta | None = None
    far_lifetime: timedelta | None = None
    far_scopes: tuple[str, ...] | None = None
    notice: bool = True

    def check(self, what: str = "") -> None:
        """Check the rules.

        Raises:
            Misuse: A rule is not valid; the message names it.
        """
        if self.far_lifetime is not None and self.far_lifetime <= timedelta():
            hint = 'For example "8h". To refuse logins from another network, set nearness = "deny".'
            raise Misuse(f"{what}device.far_lifetime is not positive", hint=hint)


DEFAULT_RULES: Final = DeviceRules()


@dataclass(frozen=True, slots=True)
class OwnDeviceRules:
    """The rules of one client for device logins. For each rule that is None, the tenant's rule applies."""

    nearness: NearnessPolicy | None = None
    complete_links: bool | None = None
    number_back: bool | None = None
    login_age: timedelta | None = None
    far_lifetime: timedelta | None = None
    far_scopes: tuple[str, ...] | None = None
    notice: bool | None = None

    def over(self, rules: DeviceRules) -> DeviceRules:
        """Return the rules that apply to the client. Each rule that is None is taken from the tenant's `rules`."""
        if self == NO_OWN_RULES:  # usually, and at every device request
            return rules
        own: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(rules, **{name: value for name, value in own.items() if value is not None})


NO_OWN_RULES: Final = OwnDeviceRules()

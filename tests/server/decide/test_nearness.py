"""Whether a device login and its browser are in one network, and what the rules make of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.errors import Misuse
from keyfob.protocol.scope import Scope
from keyfob.server.decide.approval import decide_approval, lifetime_of, needs_factor, scope_of
from keyfob.server.decide.nearness import nearness_of
from keyfob.server.records import Nearness
from keyfob.server.settings.device_rules import DeviceRules, OwnDeviceRules
from keyfob.testing.fake_time import NOON

FAR: tuple[Nearness, ...] = ("other", "unknown")
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


@pytest.mark.parametrize(
    ("device", "browser", "nearness"),
    [
        ("192.0.2.7", "192.0.2.7", "same"),
        ("192.0.2.7", "192.0.2.200", "same"),
        ("192.0.2.7", "192.0.3.7", "other"),
        ("::ffff:192.0.2.7", "192.0.2.9", "same"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "same"),
        ("2001:db8:1:2::1", "2001:db8:1:ff::1", "same"),
        ("2001:db8:1:2::1", "2001:db8:1:102::1", "other"),
        ("127.0.0.1", "127.0.0.1", "same"),
        ("192.0.2.7", "2001:db8::1", "unknown"),
        ("", "192.0.2.7", "unknown"),
        ("192.0.2.7", "", "unknown"),
        ("", "", "unknown"),
        ("nonsense", "nonsense", "unknown"),
        ("100.64.1.1", "100.64.1.1", "unknown"),
        ("64:ff9b::c000:207", "64:ff9b::c000:207", "unknown"),
        ("2002:c000:207::1", "2002:c000:207::1", "unknown"),
    ],
)
def test_two_addresses_are_of_one_network_only_if_their_prefixes_say_so(
    device: str, browser: str, nearness: Nearness
) -> None:
    assert nearness_of(device, browser) == nearness


@given(ADDRESSES, ADDRESSES)
def test_nearness_has_no_direction(one: str, other: str) -> None:
    assert nearness_of(one, other) == nearness_of(other, one)


@given(st.text(max_size=60), ADDRESSES)
def test_text_that_is_no_address_is_never_near(text: str, address: str) -> None:
    try:
        found = nearness_of(text, address)
    except ValueError:  # pragma: no cover
        pytest.fail("any text is an address or unknown")
    assert found in {"unknown", "same", "other"}
    assert found == "unknown" or set(text) <= set("0123456789abcdefABCDEF.:%/")


@pytest.mark.parametrize("nearness", FAR)
def test_what_is_not_proven_to_be_near_counts_as_far(nearness: Nearness) -> None:
    """Else an attacker would come by IPv6 to a user with IPv4."""
    assert decide_approval(DeviceRules(nearness="deny"), nearness, NOON, NOON) == "refuse"
    assert decide_approval(DeviceRules(nearness="deny"), nearness, NOON, NOON, just_logged_in=True) == "refuse"
    assert decide_approval(DeviceRules(nearness="step_up"), nearness, NOON, NOON) == "log_in"
    assert decide_approval(DeviceRules(nearness="step_up"), nearness, NOON, NOON, just_logged_in=True) == "approve"
    assert needs_factor(DeviceRules(nearness="step_up"), nearness)
    assert not needs_factor(DeviceRules(nearness="warn"), nearness)
    assert scope_of(DeviceRules(far_scopes=("read",)), nearness, Scope.of(["read", "write"])) == Scope.of(["read"])
    assert lifetime_of(DeviceRules(far_lifetime=timedelta(hours=1)), nearness) == timedelta(hours=1)


@pytest.mark.parametrize("policy", ["off", "warn", "step_up", "deny"])
def test_a_login_in_the_same_network_is_approved_as_ever(policy: str) -> None:
    rules = DeviceRules(nearness=policy, far_scopes=(), far_lifetime=timedelta(hours=1))  # type: ignore[arg-type]
    assert decide_approval(rules, "same", NOON, NOON) == "approve"
    assert decide_approval(rules, "same", None, NOON) == "log_in"
    assert scope_of(rules, "same", Scope.of(["read"])) == Scope.of(["read"])
    assert lifetime_of(rules, "same") is None
    assert not needs_factor(rules, "same")


def test_an_approval_needs_a_login_that_is_not_too_old() -> None:
    rules = DeviceRules(login_age=timedelta(minutes=5))
    assert decide_approval(rules, "same", NOON, NOON + timedelta(minutes=5)) == "approve"
    assert decide_approval(rules, "same", NOON, NOON + timedelta(minutes=6)) == "log_in"
    assert decide_approval(rules, "same", NOON, NOON + timedelta(minutes=6), just_logged_in=True) == "approve"


def test_a_client_changes_only_the_rules_that_it_names() -> None:
    tenant = DeviceRules(nearness="deny", notice=False)
    assert OwnDeviceRules(number_back=True).over(tenant) == DeviceRules("deny", number_back=True, notice=False)
    assert OwnDeviceRules(nearness="off").over(tenant).nearness == "off"
    assert OwnDeviceRules().over(tenant) == tenant


def test_a_login_from_elsewhere_lasts_for_some_time_or_is_refused() -> None:
    with pytest.raises(Misuse, match="far_lifetime"):
        DeviceRules(far_lifetime=timedelta()).check()

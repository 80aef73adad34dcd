"""A finite model of the approval of a device login, with an attacker: each policy closes the way that it is for.

The model is explored whole, over the same pure rules that the tenant uses (`decide/`). The attacker may begin a login,
send links and codes, ask for numbers, and guess. `keyfob.testing.phishing_lab` does the same to a real tenant, and a
test compares both for every policy, victim and address.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from keyfob.protocol.scope import Scope
from keyfob.server.decide.approval import decide_approval, lifetime_of, scope_of
from keyfob.server.decide.device import Answer, Issue, Undecided, approve, confirm, decide_poll, move
from keyfob.server.decide.nearness import nearness_of
from keyfob.server.records import DeviceLogin
from keyfob.server.settings.device_rules import DeviceRules
from keyfob.testing.fake_time import NOON
from keyfob.testing.phishing_lab import (
    ABROAD,
    AT_HOME,
    NEXT_DOOR,
    NOTHING,
    OVER_IPV6,
    POLICIES,
    VICTIMS,
    Loot,
    Victim,
    attack,
    row_of,
    saves,
)
from tools.source import ROOT

NUMBER, WRONG, BROWSER = b"the number", b"another number", b"browser"
ASKED = Scope.of(["openid", "profile", "offline_access", "read:orders"])
OLD_SESSION = NOON - timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class State:
    """A state of the world: the attacker's login at the tenant, the victim's page, and what the attacker knows.

    Attributes:
        page: "" before the victim has opened anything.
        knows_number: Whether the victim has told the number.
        loot: Set once tokens were issued.
    """

    login: DeviceLogin
    page: str = ""
    knows_number: bool = False
    loot: Loot | None = None


def begun(address: str) -> State:
    login = DeviceLogin(b"device", b"user", "cli", "api", ASKED, address, NOON, NOON + timedelta(minutes=15))
    return State(login)


def steps(state: State, rules: DeviceRules, victim: Victim) -> Iterator[State]:
    """Return the states that one act of the attacker or the victim leads to."""
    if state.loot is not None:
        if victim.reads_mail and rules.notice and not state.loot.has_ended:
            yield replace(state, loot=replace(state.loot, has_ended=True))
        return
    yield from attacker_steps(state, rules)
    yield from victim_steps(state, rules, victim)


def attacker_steps(state: State, rules: DeviceRules) -> Iterator[State]:
    if not state.page:
        yield replace(state, page="compare" if rules.complete_links else "enter")  # sends a link, which is opened
    numbers = [None, WRONG, *([NUMBER] if state.knows_number else [])]
    for number in numbers:
        match decide_poll(state.login, "cli", NOON, number_hash=number):
            case Issue(login):
                scope, life = scope_of(rules, login.nearness, ASKED), lifetime_of(rules, login.nearness)
                yield replace(state, login=login, loot=Loot(is_in=True, is_limited=scope != ASKED or life is not None))
            case Answer(_, login) if login is not None:
                yield replace(state, login=login)
            case Answer() | Undecided():
                pass


def victim_steps(state: State, rules: DeviceRules, victim: Victim) -> Iterator[State]:
    login, nearness = state.login, nearness_of(state.login.peer, AT_HOME)
    is_warned = rules.nearness != "off" and nearness != "same"
    match state.page:
        case "enter" if victim.types_codes:
            yield replace(state, page="compare")
        case "compare" if victim.heeds_warnings and is_warned:
            yield replace(state, login=move(login, "denied"), page="declined")
        case "compare":
            match decide_approval(rules, nearness, OLD_SESSION, NOON):
                case "approve":
                    yield approved(state, rules)
                case "log_in":
                    yield replace(state, login=confirm(login, BROWSER), page="login")
                case "refuse":
                    yield replace(state, page="refused")
        case "login" if victim.types_passwords:
            decision = decide_approval(rules, nearness, NOON, NOON, just_logged_in=True)
            yield approved(state, rules) if decision == "approve" else replace(state, page="refused")
        case "allowed" if rules.number_back and victim.reads_numbers_out:
            yield replace(state, knows_number=True)
        case _:
            pass


def approved(state: State, rules: DeviceRules) -> State:
    login = replace(
        approve(confirm(state.login, BROWSER), "victim", NOON),
        nearness=nearness_of(state.login.peer, AT_HOME),
        number_hash=NUMBER if rules.number_back else None,
    )
    return replace(state, login=login, page="allowed")


def explore(rules: DeviceRules, victim: Victim, address: str) -> set[State]:
    """Return every state that can be reached."""
    reached, waiting = set[State](), [begun(address)]
    while waiting:
        state = waiting.pop()
        if state not in reached:
            reached.add(state)
            waiting.extend(steps(state, rules, victim))
    return reached


def best_loot(rules: DeviceRules, victim: Victim, address: str) -> Loot:
    """Return what the attacker has in the end, where the victim does all that this victim does."""
    found = {state.loot for state in explore(rules, victim, address) if state.loot is not None}
    if not found:
        return Loot()
    return max(found, key=lambda loot: (loot.has_ended, not loot.is_limited))


OBEDIENT = VICTIMS["reads numbers out"]
CLICKS = VICTIMS["clicks on a link"]


@pytest.mark.parametrize(
    ("victim", "rules", "address"),
    [
        (CLICKS, replace(NOTHING, complete_links=False), ABROAD),
        (CLICKS, replace(NOTHING, login_age=timedelta(minutes=5)), ABROAD),
        (CLICKS, replace(NOTHING, nearness="step_up"), ABROAD),
        (CLICKS, replace(NOTHING, nearness="step_up"), OVER_IPV6),
        (OBEDIENT, replace(NOTHING, nearness="deny"), ABROAD),
        (OBEDIENT, replace(NOTHING, nearness="deny"), OVER_IPV6),
        (VICTIMS["logs in again"], replace(NOTHING, number_back=True), NEXT_DOOR),
        (VICTIMS["heeds warnings"], replace(NOTHING, nearness="warn"), ABROAD),
        (VICTIMS["heeds warnings"], replace(NOTHING, nearness="warn"), OVER_IPV6),
    ],
)
def test_without_a_policy_the_attack_is_found_and_with_it_it_is_not(
    victim: Victim, rules: DeviceRules, address: str
) -> None:
    """[AS-10027-02]."""
    assert best_loot(NOTHING, victim, address).is_in
    assert not best_loot(rules, victim, address).is_in


@pytest.mark.parametrize(
    ("victim", "rules", "address"),
    [
        (VICTIMS["types a code"], replace(NOTHING, complete_links=False), ABROAD),
        (VICTIMS["logs in again"], replace(NOTHING, nearness="step_up"), ABROAD),
        (OBEDIENT, replace(NOTHING, nearness="deny"), NEXT_DOOR),
        (OBEDIENT, replace(NOTHING, number_back=True), ABROAD),
        (OBEDIENT, replace(NOTHING, nearness="warn"), ABROAD),
    ],
)
def test_no_policy_is_said_to_do_more_than_it_does(victim: Victim, rules: DeviceRules, address: str) -> None:
    """docs/phishing.md names these ways as the ones that stay open."""
    assert best_loot(rules, victim, address).is_in


def test_nothing_is_issued_before_the_victim_has_pressed_a_button() -> None:
    """[AS-8628-13]: opening a link is no approval, under any policy."""
    for rules in POLICIES.values():
        opened = {state for state in explore(rules, OBEDIENT, ABROAD) if state.page in {"", "enter", "compare"}}
        assert opened
        assert all(state.loot is None and state.login.stage == "waiting" for state in opened)


def test_a_number_can_be_guessed_no_more_than_three_times() -> None:
    states = explore(replace(NOTHING, number_back=True), VICTIMS["logs in again"], ABROAD)
    assert max(state.login.number_tries for state in states) == 3
    assert {state.login.stage for state in states if state.login.number_tries == 3} == {"denied"}


def test_the_model_is_small_enough_to_be_explored_whole() -> None:
    most = max(len(explore(rules, victim, ABROAD)) for rules in POLICIES.values() for victim in VICTIMS.values())
    assert 3 < most < 100


@pytest.mark.parametrize("policy", POLICIES)
def test_the_model_and_the_tenant_agree(policy: str) -> None:
    """[AS-10027-02]: for every victim, and from every address."""
    rules = POLICIES[policy]
    for name, victim in VICTIMS.items():
        for address in (ABROAD, NEXT_DOOR, OVER_IPV6):
            assert attack(rules, victim, address=address) == best_loot(rules, victim, address), (name, address)


def test_the_page_for_administrators_has_the_table_of_the_lab() -> None:
    page = (ROOT / "docs" / "phishing.md").read_text(encoding="utf-8")
    rows = [f"| {' | '.join(row_of(policy, best_loot))} |" for policy in POLICIES]
    assert "\n".join(rows) in page


def test_careful_users_are_safe_as_the_page_says() -> None:
    careful = ("heeds warnings", "reads the e-mail")
    safe = {user: {one for one in POLICIES if saves(one, user, best_loot)} for user in careful}
    assert 'nearness = "warn"' in safe["heeds warnings"]
    assert "notice = true" in safe["reads the e-mail"]
    assert "none" not in safe["heeds warnings"] | safe["reads the e-mail"]
    assert "the defaults" in safe["heeds warnings"] & safe["reads the e-mail"]

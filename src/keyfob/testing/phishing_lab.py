"""Phish a user of a real tenant by the device flow, to see which rules stop this (RFC 10027 §4, docs/phishing.md).

The attacker begins a device login and sends the user code to a user, who acts as a `Victim` describes.
`keyfob demo --phishing` prints the table of results, and the tests compare it with a model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import Request
from keyfob.server.settings.device_rules import DeviceRules
from keyfob.server.start import READY_CLIENT_ID, ready_config
from keyfob.testing.person import Page, Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene

AT_HOME: Final = "192.0.2.7"
ABROAD: Final = "198.51.100.66"
NEXT_DOOR: Final = "192.0.2.200"  # a computer that the attacker rents or owns in the user's network
OVER_IPV6: Final = "2001:db8::66"
_ASKED: Final = "openid profile offline_access read:orders"
_SESSION_AGE: Final = timedelta(minutes=30)
_MOST_PAGES: Final = 8
_NUMBER: Final = re.compile(r"\b(\d{3}) (\d{3})\b")
_END_LINK: Final = re.compile(r"https?://\S+/u/end\?link=[\w-]+")
Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Victim:
    """A user whose browser is logged in, and the actions to which an attacker can persuade this user.

    Attributes:
        types_codes: Whether the user types a code from a message into the page.
        types_passwords: Whether the user logs in again if the page asks for it.
        reads_numbers_out: Whether the user tells the attacker the number on the page.
        heeds_warnings: Whether the user declines if the page warns that the program is in another network.
        reads_mail: Whether the user later reads the e-mail about the login, and ends the login by the e-mail's link.
    """

    types_codes: bool = False
    types_passwords: bool = False
    reads_numbers_out: bool = False
    heeds_warnings: bool = False
    reads_mail: bool = False


# Each of the first four victims does one thing more than the victim before. The last two do what the fourth does, but
# are careful in one way.
_OBEDIENT: Final = Victim(types_codes=True, types_passwords=True, reads_numbers_out=True)
VICTIMS: Final[Mapping[str, Victim]] = {
    "clicks on a link": Victim(),
    "types a code": Victim(types_codes=True),
    "logs in again": Victim(types_codes=True, types_passwords=True),
    "reads numbers out": _OBEDIENT,
    "heeds warnings": replace(_OBEDIENT, heeds_warnings=True),
    "reads the e-mail": replace(_OBEDIENT, reads_mail=True),
}
NOTHING: Final = DeviceRules(nearness="off", notice=False)
POLICIES: Final[Mapping[str, DeviceRules]] = {
    "none": NOTHING,
    'nearness = "warn"': replace(NOTHING, nearness="warn"),
    'nearness = "step_up"': replace(NOTHING, nearness="step_up"),
    'nearness = "deny"': replace(NOTHING, nearness="deny"),
    "complete_links = false": replace(NOTHING, complete_links=False),
    'login_age = "5m"': replace(NOTHING, login_age=timedelta(minutes=5)),
    "number_back = true": replace(NOTHING, number_back=True),
    "far_lifetime, far_scopes": replace(
        NOTHING, far_lifetime=timedelta(hours=1), far_scopes=("openid", "read:orders")
    ),
    "notice = true": replace(NOTHING, notice=True),
    "the defaults": DeviceRules(),
    "all together": DeviceRules(
        "deny", complete_links=False, number_back=True, login_age=timedelta(minutes=5),
        far_lifetime=timedelta(hours=1), far_scopes=("openid", "read:orders"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loot:
    """The tokens of the attacker after the login.

    Attributes:
        is_in: Whether the attacker got tokens.
        is_limited: Whether the tokens have less scope than requested.
        has_ended: Whether the user ended the login afterwards.
    """

    is_in: bool = False
    is_limited: bool = False
    has_ended: bool = False


class Run(Protocol):
    """A function that attacks a user as `attack` does, and returns the loot."""

    def __call__(self, rules: DeviceRules, victim: Victim, *, address: str) -> Loot: ...


def attack(rules: DeviceRules, victim: Victim, *, address: str = ABROAD, tell: Tell = lambda _: None) -> Loot:
    """Create a tenant with the given rules, and phish its user once.

    Args:
        rules: The tenant's rules for device logins.
        victim: The user.
        address: The IP address of the attacker's program.
        tell: A function that receives a line of text for each step.
    """
    scene = Scene(replace(ready_config(ISSUER), name="Example", device=rules))
    scene.pair.peer = AT_HOME
    browser = scene.person()
    _open_session(scene, browser)
    scene.time.go(_SESSION_AGE)
    codes = read_json(
        scene.post("oauth/device/code", peer=address, client_id=READY_CLIENT_ID, scope=_ASKED,
                   device_name="it-helpdesk", device_system="Windows").body, "codes",
    )  # fmt: skip
    code = codes.text("user_code")
    tell(f"attacker  begins a login from {address}, and writes: your mailbox is full! Confirm the code {code} here")
    number = _lure(browser, victim, code, codes, tell)
    answer = _fetch(scene, codes, number, address)
    granted = answer.optional_text("access_token") is not None
    if not granted:
        tell(f"attacker  polls, and gets nothing: {answer.optional_text('error')}")
        return Loot()
    less = set(_ASKED.split()) - set(answer.text("scope").split())
    tell(f"attacker  polls, and has tokens for {answer.values['expires_in']} s, may: {answer.text('scope')}")
    link = _END_LINK.search(scene.outbox.sent[-1].text) if scene.outbox.sent else None
    if victim.reads_mail and link is not None:
        tell("victim    reads the e-mail about a new device, opens its link and ends the login")
        browser.open(link[0])
        browser.press("end")
    return Loot(is_in=True, is_limited=bool(less), has_ended=not _is_alive(scene, answer, address))


class Row(NamedTuple):
    """The results of a policy: for each network of the attacker, the least user action with which the attack succeeds.

    Attributes:
        policy: The name of the policy.
        elsewhere: The result for an attacker in another network than the user.
        same_network: The result for an attacker in the user's network.
    """

    policy: str
    elsewhere: str
    same_network: str


def row_of(policy: str, run: Run = attack) -> Row:
    """Return the row of a policy in the table of results."""
    rules = POLICIES[policy]
    return Row(policy, *(_least(rules, address, run) for address in (ABROAD, NEXT_DOOR)))


def saves(policy: str, careful: str, run: Run = attack) -> bool:
    """Return whether a policy saves a careful user: the attacker gets no tokens, or the user ends the attacker's login.

    Args:
        policy: A name in `POLICIES`.
        careful: A careful user: one of the last two names in `VICTIMS`.
        run: The function that attacks the user.
    """
    loot = run(POLICIES[policy], VICTIMS[careful], address=ABROAD)
    return not loot.is_in or loot.has_ended


def _least(rules: DeviceRules, address: str, run: Run) -> str:
    """Return the least user action with which the attacker gets tokens, or "nothing helps" if there is none.

    If the tokens have less scope than requested, the text ends in "for less".
    """
    for name, victim in VICTIMS.items():
        if victim.heeds_warnings or victim.reads_mail:
            break
        loot = run(rules, victim, address=address)
        if loot.is_in:
            return f"{name}, for less" if loot.is_limited else name
    return "nothing helps"


def _open_session(scene: Scene, browser: Person) -> None:
    """Log the user's browser in, before the attack: the user begins and approves a device login of their own."""
    own = read_json(scene.post("oauth/device/code", client_id=READY_CLIENT_ID, scope="openid").body, "codes")
    browser.open(f"{ISSUER}activate")
    browser.press("continue", user_code=own.text("user_code"))
    browser.press("confirm")
    browser.press("login", email=EMAIL, password=PASSWORD)
    scene.outbox.sent.clear()


def _lure(browser: Person, victim: Victim, code: str, codes: Fields, tell: Tell) -> str:
    """Let the user open the attacker's link and act on each page. Return the number that the user tells, or ""."""
    page = browser.open(codes.optional_text("verification_uri_complete") or f"{ISSUER}activate?user_code={code}")
    for _ in range(_MOST_PAGES):
        fields = {name for form in page.forms for name in form.values}
        buttons = {value for form in page.forms for _, value in form.buttons}
        number = _NUMBER.search(page.text)
        if number is not None and not {"user_code", "password"} & fields and "confirm" not in buttons:
            tell(f"victim    sees a number to type into the program: {number[0]}")
            return number[1] + number[2] if victim.reads_numbers_out else ""
        if victim.heeds_warnings and _is_warned(page):
            tell("victim    reads that the program is in another network, and declines")
            browser.press("decline")
            return ""
        if "confirm" in buttons:
            tell("victim    sees the right page, the right code, and confirms")
            page = browser.press("confirm")
        elif "user_code" in fields and victim.types_codes:
            tell("victim    types the code from the message")
            page = browser.press("continue", user_code=code)
        elif "password" in fields and victim.types_passwords:
            tell("victim    logs in again")
            page = browser.press("login", email=EMAIL, password=PASSWORD)
        else:
            tell(f"victim    {'sees that a program is logged in' if '/done' in page.url else 'can or will not go on'}")
            return ""
    return ""


def _is_warned(page: Page) -> bool:
    return any(f'data-nearness="{far}"'.encode() in page.response.body for far in ("other", "unknown"))


def _fetch(scene: Scene, codes: Fields, number: str, address: str) -> Fields:
    """Poll as the attacker, and return the last response.

    If a number is required, the attacker first sends the number that the user told, and then guessed numbers.
    """
    parameters = {"grant_type": DEVICE_CODE, "device_code": codes.text("device_code"), "client_id": READY_CLIENT_ID}
    answer = Fields({}, "answer")
    for guess in ("", number or "000000", "111111", "222222", "333333"):
        scene.time.go(timedelta(seconds=5))
        sent = parameters if not guess else {**parameters, "number": guess}
        answer = read_json(scene.post("oauth/token", peer=address, **sent).body, "answer")
        if answer.values.get("number_required") is not True:
            break
    return answer


def _is_alive(scene: Scene, answer: Fields, address: str) -> bool:
    """Return whether /userinfo accepts the attacker's access token. If so, the login has not ended."""
    bearer = (("authorization", f"Bearer {answer.text('access_token')}"),)
    return scene.send(Request("GET", f"{ISSUER}userinfo", bearer), peer=address).status == 200

"""Device logins under the rules of a tenant and of a client: nearness, number, links, age, notice, undo."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from keyfob.errors import Unreachable
from keyfob.jose.tokens import take_apart
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import Response
from keyfob.protocol.secret import Secret
from keyfob.serve import ready_config
from keyfob.server.records import RefreshLogin
from keyfob.server.settings.config import Mfa
from keyfob.server.settings.device_rules import DeviceRules, OwnDeviceRules
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.endpoints.oauth.test_password import code_for

HOME, NEXT_DOOR, ABROAD, OVER_IPV6 = "192.0.2.7", "192.0.2.99", "198.51.100.66", "2001:db8::66"


def scene_with(rules: DeviceRules, own: OwnDeviceRules | None = None, *, mfa: Mfa = "enrolled") -> Scene:
    ready = ready_config(ISSUER)
    apps = tuple(replace(one, device=own or one.device) for one in ready.applications)
    return Scene(replace(ready, name="Example", device=rules, applications=apps, mfa=mfa))


@dataclass
class DeviceLogin:
    """A program that wants in, from an address."""

    scene: Scene
    codes: Fields
    peer: str

    def poll(self, **more: str) -> Fields:
        self.scene.time.go(timedelta(seconds=5))
        response = self.scene.post(
            "oauth/token", peer=self.peer, grant_type=DEVICE_CODE, device_code=self.codes.text("device_code"),
            client_id=READY_CLIENT_ID, **more,
        )  # fmt: skip
        return read_json(response.body, "answer")

    def outcome(self, **more: str) -> str:
        found = self.poll(**more)
        return found.optional_text("error") or "granted"

    @property
    def link(self) -> str:
        return self.codes.text("verification_uri_complete")


def begin(scene: Scene, peer: str = HOME, **more: str) -> DeviceLogin:
    asked = {"client_id": READY_CLIENT_ID, "scope": "openid profile offline_access read:orders", **more}
    return DeviceLogin(scene, read_json(scene.post("oauth/device/code", peer=peer, **asked).body, "answer"), peer)


def logged_in(scene: Scene) -> Person:
    """Return a person whose browser is logged in."""
    person = at_code(scene, begin(scene))
    if any(value == "confirm" for form in person.page.forms for _, value in form.buttons):
        person.press("confirm")
    person.press("login", email=EMAIL, password=PASSWORD)
    assert "logged in" in person.page.text or "type this number" in person.page.text
    return person


def at_code(scene: Scene, login: DeviceLogin) -> Person:
    person = scene.person()
    person.open(f"{ISSUER}activate")
    person.press("continue", user_code=login.codes.text("user_code"))
    return person


def renew(scene: Scene, refresh_token: str) -> Response:
    parameters = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": READY_CLIENT_ID}
    return scene.post("oauth/token", **parameters)


def events(scene: Scene, code: str) -> list[dict[str, object]]:
    return [dict(event) for event in scene.events if event["type"] == code]


def logins(scene: Scene) -> tuple[RefreshLogin, ...]:
    return asyncio.run(scene.store.read(lambda transaction: transaction.logins(scene.time.now(), 100)))


# What the page shows


def test_the_page_shows_what_the_device_claims_as_a_claim(scene: Scene) -> None:
    """[AS-10027-02]."""
    login = begin(scene, device_name="pats-laptop", device_system="Linux")
    page = scene.person().open(login.link)
    assert "pats-laptop · Linux (as reported by the device)" in page.text


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("a\u202eb\r\nc\x1b[31md", "abc[31md"),
        ("x" * 500, "x" * 64),
        ("  many   spaces ", "many spaces"),
    ],
)
def test_a_claimed_name_is_short_and_harmless(scene: Scene, sent: str, shown: str) -> None:
    page = scene.person().open(begin(scene, device_name=sent).link)
    assert f"Device {shown} (as reported by the device)" in page.text
    assert b"<script>" not in page.response.body


@pytest.mark.parametrize(
    ("device", "shown", "warns"),
    [
        (HOME, "the same network as this browser", False),
        (NEXT_DOOR, "the same network as this browser", False),
        (ABROAD, "ANOTHER network", True),
        (OVER_IPV6, "a network that cannot be compared with yours", True),
    ],
)
def test_the_page_shows_whether_the_device_is_in_this_network(
    scene: Scene, device: str, shown: str, warns: bool
) -> None:
    """[AS-10027-02]."""
    page = scene.person().open(begin(scene, device).link)
    assert f"From {shown} ({device}" in page.text
    assert ("Otherwise, decline" in page.text) == warns


def test_nearness_off_shows_the_address_alone() -> None:
    scene = scene_with(DeviceRules(nearness="off"))
    page = scene.person().open(begin(scene, ABROAD).link)
    assert f"From {ABROAD}" in page.text
    assert "network" not in page.text


# Nearness


@pytest.mark.parametrize("device", [ABROAD, OVER_IPV6])
def test_deny_refuses_an_approval_that_is_not_proven_to_be_near(device: str) -> None:
    """[AS-10027-02]."""
    scene = scene_with(DeviceRules(nearness="deny"))
    login = begin(scene, device)
    person = logged_in(scene)
    person.open(login.link)
    assert "logins from elsewhere are not allowed here" in person.page.text
    assert [value for _, value in person.page.forms[0].buttons] == ["decline"]
    forged = person.page.forms[0]
    forged.buttons.append(("button", "confirm"))
    forged.buttons.append(("button", "other"))
    assert "not allowed here" in person.press("confirm").text
    assert len(events(scene, "keyfob_far_login_refused")) == 1
    assert login.outcome() == "authorization_pending"
    person.press("decline")
    assert login.outcome() == "access_denied"


def test_deny_is_decided_where_the_approval_comes_from() -> None:
    """A browser that confirms near and sends the password from elsewhere is elsewhere."""
    scene = scene_with(DeviceRules(nearness="deny"))
    login = begin(scene)
    person = at_code(scene, login)
    person.press("confirm")
    scene.pair.peer = ABROAD
    person.press("login", email=EMAIL, password=PASSWORD)
    assert "Nobody was logged in" in person.page.text
    scene.pair.peer = HOME
    assert login.outcome() == "authorization_pending"
    assert len(events(scene, "keyfob_far_login_refused")) == 1


def test_deny_lets_the_same_network_in() -> None:
    scene = scene_with(DeviceRules(nearness="deny"))
    login = begin(scene, NEXT_DOOR)
    logged_in(scene).open(login.link)
    person = logged_in(scene)
    person.open(login.link)
    person.press("confirm")
    assert login.outcome() == "granted"


def test_step_up_takes_no_session_for_a_device_elsewhere() -> None:
    scene = scene_with(DeviceRules(nearness="step_up"))
    near, far, person = begin(scene), begin(scene, ABROAD), logged_in(scene)
    person.open(near.link)
    assert "Your program is logged in" in person.press("confirm").text
    person.open(far.link)
    person.press("confirm")
    assert "/u/login" in person.page.url
    assert far.outcome() == "authorization_pending"
    person.press("login", email=EMAIL, password=PASSWORD)
    assert far.outcome() == "granted"


def test_step_up_wants_the_second_factor_of_those_who_have_one() -> None:
    """Even where `mfa` is never; a login for a device in the same network is asked for none."""
    scene = scene_with(DeviceRules(nearness="step_up"), mfa="never")
    owner = scene.person()
    owner.open(f"{ISSUER}u/enrol")
    owner.press("login", email=EMAIL, password=PASSWORD)
    secret = re.search(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}", owner.press("enrol").text)
    assert secret is not None
    owner.press("verify", code=code_for(scene, secret[0].replace(" ", "")))
    scene.time.go(timedelta(minutes=1))
    for device, goes_on_at in ((HOME, "/activate/done"), (ABROAD, "/u/mfa")):
        login, person = begin(scene, device), scene.person()
        person.open(login.link)
        person.press("confirm")
        person.press("login", email=EMAIL, password=PASSWORD)
        assert goes_on_at in person.page.url
        if goes_on_at == "/u/mfa":
            assert login.outcome() == "authorization_pending"
            person.press("verify", code=code_for(scene, secret[0].replace(" ", "")))
        assert login.outcome() == "granted"


def test_one_client_may_be_stricter_than_its_tenant() -> None:
    scene = scene_with(DeviceRules(), OwnDeviceRules(nearness="deny"))
    assert "not allowed here" in scene.person().open(begin(scene, ABROAD).link).text


def test_an_old_session_does_not_approve_where_logins_must_be_fresh() -> None:
    scene = scene_with(DeviceRules(login_age=timedelta(minutes=5)))
    person, login = logged_in(scene), begin(scene)
    scene.time.go(timedelta(minutes=6))
    person.open(login.link)
    person.press("confirm")
    assert "/u/login" in person.page.url
    assert login.outcome() == "authorization_pending"


# What an approval from elsewhere is worth


def test_an_approval_from_another_network_is_worth_less() -> None:
    rules = DeviceRules(far_lifetime=timedelta(hours=8), far_scopes=("openid", "read:orders"))
    scene = scene_with(rules)
    person, far, near = logged_in(scene), begin(scene, ABROAD), begin(scene)
    page = person.open(far.link)
    assert "stay logged in" not in page.text
    person.press("confirm")
    tokens = far.poll()
    assert set(tokens.text("scope").split()) == {"openid", "read:orders"}
    assert tokens.values["expires_in"] == 8 * 3600
    assert tokens.optional_text("refresh_token") is None
    person.open(near.link)
    person.press("confirm")
    assert "offline_access" in near.poll().text("scope")
    assert [event["description"] for event in events(scene, "sede")] == [
        "approved from another network",
        "approved from the device's network",
    ]


def test_a_login_from_another_network_ends_in_time_however_often_it_is_renewed() -> None:
    scene = scene_with(DeviceRules(far_lifetime=timedelta(hours=30)))
    person, far = logged_in(scene), begin(scene, ABROAD)
    assert "for 1 day 6 hours at most" in person.open(far.link).text
    person.press("confirm")
    refresh = far.poll().text("refresh_token")
    scene.time.go(timedelta(hours=20))
    renewed = read_json(
        scene.post("oauth/token", grant_type="refresh_token", refresh_token=refresh, client_id=READY_CLIENT_ID).body,
        "a",
    )
    assert int(str(renewed.values["expires_in"])) <= 10 * 3600
    claims = read_json(take_apart(Secret(renewed.text("access_token"))).payload, "claims")
    assert int(str(claims.values["exp"])) - int(str(claims.values["iat"])) <= 10 * 3600
    scene.time.go(timedelta(hours=11))
    late = scene.post(
        "oauth/token",
        grant_type="refresh_token",
        refresh_token=renewed.text("refresh_token"),
        client_id=READY_CLIENT_ID,
    )
    assert late.status == 403


# Links


def test_without_complete_links_no_link_opens_the_page_with_the_code() -> None:
    """Not even one that an attacker writes: the page for typing is empty."""
    scene = scene_with(DeviceRules(complete_links=False))
    login, person = begin(scene), scene.person()
    assert "verification_uri_complete" not in login.codes.values
    page = person.open(f"{ISSUER}activate?user_code={login.codes.text('user_code')}")
    assert login.codes.text("user_code") not in page.response.body.decode()
    assert "type the code" in page.text
    person.press("continue", user_code=login.codes.text("user_code"))
    assert "Is this the code" in person.page.text


def test_a_link_of_ours_passes_however_much_others_guess(scene: Scene) -> None:
    """[FS-24]."""
    login = begin(scene)
    for number in range(12):
        guess = f"{ISSUER}activate?user_code=BBBB-BB{'BCDFGHJKLMNP'[number]}B"
        Person(lambda request, number=number: scene.send(request, peer=f"203.0.113.{number}")).open(guess)
    code = login.codes.text("user_code")
    assert "Too many wrong codes" in scene.person().open(f"{ISSUER}activate?user_code={code}").text
    assert "Too many wrong codes" in scene.person().open(f"{ISSUER}activate?user_code={code}&proof=forged").text
    assert "Is this the code" in scene.person().open(login.link).text


def test_a_stranger_logs_in_first_where_many_codes_are_live(scene: Scene) -> None:
    """[AS-8628-07] [FS-24]: a guess at six codes would beat the odds; the right code goes on after the login."""
    several = [begin(scene) for _ in range(6)]
    person = at_code(scene, several[3])
    assert "/u/login" in person.page.url
    assert "Log in to enter your code" in person.page.text
    person.press("login", email=EMAIL, password=PASSWORD)
    assert "Is this the code" in person.page.text
    person.press("confirm")
    assert several[3].outcome() == "granted"
    assert "Is this the code" in scene.person().open(several[5].link).text


def test_a_code_that_was_typed_before_the_login_is_not_typed_again() -> None:
    """Where links do not open the page, the address after the login does, in this session alone."""
    scene = scene_with(DeviceRules(complete_links=False))
    several = [begin(scene) for _ in range(6)]
    person = at_code(scene, several[0])
    address: list[str] = []
    keep = person._send
    person._send = lambda request: address.append(request.url) or keep(request)  # type: ignore[func-returns-value]
    person.press("login", email=EMAIL, password=PASSWORD)
    assert "Is this the code" in person.page.text
    [carried] = [url for url in address if "typed=" in url]
    assert "Is this the code" not in logged_in_by_hand(scene).open(carried).text


def test_no_address_that_an_attacker_was_shown_saves_the_typing() -> None:
    """The attacker types the code and sends on the address of each page that comes: the pages belong to a session."""
    scene = scene_with(DeviceRules(complete_links=False))
    login, attacker = begin(scene), scene.person()
    attacker.open(f"{ISSUER}activate")
    shown = attacker.press("continue", user_code=login.codes.text("user_code")).url
    assert "state=" in shown
    victim = logged_in(scene)
    page = victim.open(shown)
    assert "type the code" in page.text
    assert login.codes.text("user_code") not in page.response.body.decode()
    attacker.press("confirm")
    assert "Is this the code" not in victim.open(attacker.page.url).text
    assert login.outcome() == "authorization_pending"


def test_a_held_up_code_is_not_offered_to_whoever_opens_the_address() -> None:
    """Else the attacker spends the budget, and the victim presses a button where the code stands ready."""
    scene = scene_with(DeviceRules(complete_links=False))
    login, code = begin(scene), ""
    code = login.codes.text("user_code")
    attacker = scene.person()
    for number in range(4):
        attacker.open(f"{ISSUER}activate")
        attacker.press("continue", user_code=f"BBBB-BBB{'BCDF'[number]}")
    attacker.press("continue", user_code=code)
    assert "Too many wrong codes" in attacker.page.text
    assert code in attacker.page.response.body.decode(), "who typed it sees it"
    for address in (attacker.page.url, f"{ISSUER}activate?user_code={code}"):
        assert code not in scene.person().open(address).response.body.decode()


def test_a_login_first_that_began_with_a_link_does_not_save_the_typing() -> None:
    scene = scene_with(DeviceRules(complete_links=False))
    several = [begin(scene) for _ in range(6)]
    victim = scene.person()
    victim.open(f"{ISSUER}activate?user_code={several[0].codes.text('user_code')}")
    victim.press("login", email=EMAIL, password=PASSWORD)
    assert "type the code" in victim.page.text


def logged_in_by_hand(scene: Scene) -> Person:
    person = scene.person()
    person.open(f"{ISSUER}u/enrol")
    return person


# The number that is carried back


def approve_with_number(scene: Scene, login: DeviceLogin) -> tuple[Person, str]:
    person = scene.person()
    person.open(login.link)
    person.press("confirm")
    person.press("login", email=EMAIL, password=PASSWORD)
    shown = re.search(r"(\d{3}) (\d{3})", person.page.text)
    assert shown is not None
    return person, shown[1] + shown[2]


@pytest.fixture
def with_number() -> Scene:
    return scene_with(DeviceRules(number_back=True))


def test_an_approval_releases_nothing_until_the_number_comes_back(with_number: Scene) -> None:
    login = begin(with_number)
    person, number = approve_with_number(with_number, login)
    assert "tell it to nobody" in person.page.text
    answer = login.poll()
    assert (answer.text("error"), answer.values["number_required"]) == ("authorization_pending", True)
    assert number not in str(answer.values)
    again = person.open(person.page.url)
    assert f"{number[:3]} {number[3:]}" in again.text, "a reload loses nothing"
    assert login.outcome(number=f"{number[:3]} {number[3:]}") == "granted"
    assert login.outcome(number=number) == "invalid_grant"


def test_a_number_is_asked_for_at_the_pace_of_polling_and_answered_at_once(with_number: Scene) -> None:
    login = begin(with_number)
    _, number = approve_with_number(with_number, login)
    parameters = {"grant_type": DEVICE_CODE, "device_code": login.codes.text("device_code"),
                  "client_id": READY_CLIENT_ID}  # fmt: skip
    asked = [with_number.post("oauth/token", **parameters) for _ in range(2)]
    assert [read_json(one.body, "a").text("error") for one in asked] == ["authorization_pending", "slow_down"]
    assert with_number.post("oauth/token", **parameters, number=number).status == 200


def test_the_third_wrong_number_ends_the_login(with_number: Scene) -> None:
    login = begin(with_number)
    _, number = approve_with_number(with_number, login)
    wrong = "000000" if number != "000000" else "111111"
    left = [login.poll(number=wrong).values.get("number_tries_left") for _ in range(2)]
    assert left == [2, 1]
    assert login.outcome(number=wrong) == "access_denied"
    assert login.outcome(number=number) == "access_denied"


@pytest.mark.parametrize("number", ["", "x" * 2000, "\u0661\u0662\u0663", "12345", "-1"])
def test_a_number_of_any_shape_is_just_wrong(with_number: Scene, number: str) -> None:
    login = begin(with_number)
    approve_with_number(with_number, login)
    assert login.outcome(number=number) == "authorization_pending"


def test_a_number_belongs_to_one_login(with_number: Scene) -> None:
    one, other = begin(with_number), begin(with_number)
    _, number = approve_with_number(with_number, one)
    approve_with_number(with_number, other)
    assert other.outcome(number=number) == "authorization_pending"
    assert one.outcome(number=number) == "granted"


def test_a_number_before_the_approval_has_no_effect(with_number: Scene) -> None:
    login = begin(with_number)
    for _ in range(5):
        assert login.outcome(number="123456") == "authorization_pending"
    _, number = approve_with_number(with_number, login)
    assert login.outcome(number=number) == "granted"


# The notice, and undoing


def notice_of(scene: Scene) -> str:
    mail = scene.outbox.sent[-1]
    assert mail.to == EMAIL
    found = re.search(rf"{ISSUER}u/end\?link=[\w-]+", mail.text)
    assert found is not None
    assert found[0] in mail.html
    return found[0]


def test_the_number_is_shown_to_nobody_else_who_has_the_address(with_number: Scene) -> None:
    """An address stands in the history of the browser, and in logs of proxies: it approves nothing by itself."""
    person, number = approve_with_number(with_number, begin(with_number))
    number = f"{number[:3]} {number[3:]}"
    assert number in person.page.text
    other = with_number.person().open(person.page.url)
    assert number not in other.text
    assert "u/end" not in other.response.body.decode()
    assert number in person.open(person.page.url).text


def test_each_new_device_is_told_by_mail_and_its_link_ends_the_login(scene: Scene) -> None:
    login = begin(scene, ABROAD, device_name="shadow", device_system="Linux")
    person = logged_in(scene)
    person.open(login.link)
    person.press("confirm")
    tokens = login.poll()
    mail = scene.outbox.sent[-1]
    assert "New login to Example: keyfob CLI" in mail.subject
    assert "shadow · Linux (as reported by the device)" in mail.text
    assert f"From: {ABROAD} - not the network of the browser" in mail.text
    reader = scene.person()
    page = reader.open(notice_of(scene))
    assert "End the login of keyfob CLI?" in page.text
    assert len(logins(scene)) == 1, "opening the link ends nothing"
    reader.press("end")
    assert "This login has ended" in reader.page.text
    assert logins(scene) == ()
    assert renew(scene, tokens.text("refresh_token")).status == 403
    assert "This login has ended" in scene.person().open(notice_of(scene)).text
    assert len(events(scene, "keyfob_login_ended")) == 1


def test_the_link_ends_an_approval_that_its_program_has_not_fetched(scene: Scene) -> None:
    login = begin(scene)
    person = logged_in(scene)
    person.open(login.link)
    person.press("confirm")
    person.open(notice_of(scene))
    person.press("end")
    assert login.outcome() == "access_denied"


def test_the_page_after_the_approval_undoes_it(scene: Scene) -> None:
    login = begin(scene)
    person = logged_in(scene)
    person.open(login.link)
    person.press("confirm")
    [link] = re.findall(r'href="(/u/end\?link=[\w-]+)"', person.page.response.body.decode())
    assert login.outcome() == "granted"
    person.open(ISSUER[:-1] + link)
    person.press("end")
    assert logins(scene) == ()


def test_a_link_ends_its_own_login_alone(scene: Scene) -> None:
    person = logged_in(scene)
    first, second = begin(scene), begin(scene)
    for login in (first, second):
        person.open(login.link)
        person.press("confirm")
        assert login.outcome() == "granted"
    person.open(notice_of(scene))
    person.press("end")
    assert len(logins(scene)) == 1


@pytest.mark.parametrize(
    "link", ["", "?link=", "?link=AAAA", "?link=%F0%9F%98%80", "?link=" + "A" * 3000, "?link=a&link=b"]
)
def test_a_link_that_is_not_ours_opens_nothing(scene: Scene, link: str) -> None:
    page = scene.person().open(f"{ISSUER}u/end{link}")
    assert "no longer valid" in page.text
    assert page.forms == []


def test_a_link_is_valid_for_a_week(scene: Scene) -> None:
    logged_in(scene)
    address = notice_of(scene)
    scene.time.go(timedelta(days=7))
    assert "no longer valid" in scene.person().open(address).text


def test_another_site_cannot_end_a_login(scene: Scene) -> None:
    login = begin(scene)
    person = logged_in(scene)
    person.open(login.link)
    person.press("confirm")
    assert login.outcome() == "granted"
    person.open(notice_of(scene))
    person.page.forms[0].values["csrf"] = "forged"
    person.press("end")
    assert len(logins(scene)) == 1


def test_no_mail_is_sent_where_the_rules_want_none() -> None:
    scene = scene_with(DeviceRules(notice=False))
    logged_in(scene)
    assert scene.outbox.sent == []


def test_a_mail_that_cannot_be_sent_is_logged_and_the_approval_stands(scene: Scene) -> None:
    class Broken:
        async def send(self, to: str, subject: str, text: str, html: str = "") -> None:
            del to, subject, text, html
            raise Unreachable("the mail server does not answer")

    scene.tenant._site.mailer = Broken()
    login = begin(scene)
    person = logged_in(scene)
    person.open(login.link)
    person.press("confirm")
    assert login.outcome() == "granted"
    assert {event["description"] for event in events(scene, "keyfob_notice_failure")} == {
        "the mail server does not answer"
    }

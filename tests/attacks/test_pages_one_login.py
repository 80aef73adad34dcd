"""Several logins in one browser: what one of them proves counts for no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from keyfob.protocol.http import FORM, Request
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.attacks.browsers import (
    CUSTOMER,
    at_password,
    code_for,
    confirmed,
    device,
    error_of,
    polled,
    shown_secret,
    tabs_of,
    two_directories,
)
from tests.server.wires import address_of, landed, log_in, person_of, redeem, scene_of, told


def state_of(person: Person) -> str:
    found = parse_qs(urlsplit(person.page.url).query).get("state") or [person.page.forms[0].values["state"]]
    return found[0]


def enrolled_customer(scene: Scene) -> str:
    """The secret of the customer's authenticator, enrolled and proven in another browser."""
    person = person_of(scene)
    person.open(address_of(client_id="cli"))
    log_in(person, email=CUSTOMER)
    secret = shown_secret(person.press("enrol").text)
    assert "recovery code" in person.press("verify", code=code_for(scene, secret)).text
    scene.time.go(timedelta(seconds=30))
    return secret


@pytest.mark.parametrize("way", ["no state", "state of the code flow", "state of a device login"])
def test_a_second_factor_completes_only_what_the_password_began(way: str) -> None:
    """[FS-01]: a customer's password for `cli` and factor do not open `admin-cli`, which is for the staff."""
    scene = two_directories()
    secret = enrolled_customer(scene)
    admin, everyday = tabs_of(scene)
    codes = confirmed(scene, admin, "admin-cli")
    device_state = admin.page.forms[0].values.get("state", "")
    other = person_of(scene)
    other.cookies = admin.cookies
    other.open(address_of(client_id="admin-cli"))
    code_state = other.page.forms[0].values["state"]
    everyday.open(address_of(client_id="cli"))
    log_in(everyday, email=CUSTOMER)
    assert "/u/mfa" in everyday.page.url
    wanted = {"no state": "", "state of the code flow": code_state, "state of a device login": device_state}[way]
    everyday.open(f"{ISSUER}u/mfa?state={wanted}" if wanted else f"{ISSUER}u/mfa")
    if any("code" in form.values for form in everyday.page.forms):
        everyday.press("verify", code=code_for(scene, secret))
    body = f"csrf={admin.page.forms[0].values['csrf']}&state={wanted}&button=verify&code={code_for(scene, secret)}"
    jar = ("cookie", "; ".join(f"{name}={value}" for name, value in everyday.cookies.items()))
    forged = scene.send(Request("POST", f"{ISSUER}u/mfa", (("content-type", FORM), jar), body.encode()))
    assert forged.header("location") is None
    assert everyday.page.response.header("x-callback") is None, "nobody may get a code of admin-cli"
    scene.time.go(timedelta(seconds=5))
    assert error_of(polled(scene, "admin-cli", codes)) == "authorization_pending"


def test_the_factor_completes_the_login_of_its_own_password() -> None:
    """[FS-01]: and each of two logins in one browser can be completed."""
    scene = two_directories()
    secret = enrolled_customer(scene)
    first, second = tabs_of(scene)
    first.open(address_of(client_id="cli"))
    log_in(first, email=CUSTOMER)
    codes = confirmed(scene, second, "cli")
    log_in(second, email=CUSTOMER)
    second.press("verify", code=code_for(scene, secret))
    scene.time.go(timedelta(seconds=5))
    assert error_of(polled(scene, "cli", codes)) == "tokens"


@pytest.mark.parametrize("flow", ["device", "code"])
def test_a_directory_taken_from_an_application_counts_when_tokens_are_issued(flow: str) -> None:
    """[FS-01]: approved while the customers were allowed, fetched when they no longer are."""
    scene = two_directories("never")
    person = person_of(scene)
    if flow == "device":
        codes = confirmed(scene, person, "cli")
        log_in(person, email=CUSTOMER)
    else:
        person.open(address_of(client_id="cli"))
        code = landed(log_in(person, email=CUSTOMER))["code"]
    site = scene.tenant._site
    closed = tuple(
        replace(one, connections=("staff",)) if one.client_id == "cli" else one for one in scene.config.applications
    )
    site.reconfigure(replace(scene.config, applications=closed), site.tenant_keys)
    scene.time.go(timedelta(seconds=5))
    if flow == "device":
        assert error_of(polled(scene, "cli", codes)) == "invalid_grant"
    else:
        assert told(redeem(scene, code, client_id="cli"))[1] == "invalid_grant"


def test_two_codes_in_two_tabs_are_two_logins() -> None:
    """[FP-01]: what one tab says is what is approved there, and each tab can be finished."""
    scene = two_directories("never")
    first, second = tabs_of(scene)
    northwind = confirmed(scene, first, "cli")
    acme = confirmed(scene, second, "native")
    assert "Everyday CLI" in first.page.text
    log_in(first)
    scene.time.go(timedelta(seconds=5))
    assert error_of(polled(scene, "cli", northwind)) == "tokens"
    assert error_of(polled(scene, "native", acme)) == "authorization_pending"
    assert "Native" in second.press("login", email=EMAIL, password=PASSWORD).text
    assert "logged in" in second.press("confirm").text
    scene.time.go(timedelta(seconds=5))
    assert error_of(polled(scene, "native", acme)) == "tokens"


def test_declining_in_one_tab_declines_what_that_tab_says() -> None:
    """[FP-01]."""
    scene = two_directories("never")
    first, second = tabs_of(scene)
    northwind = confirmed(scene, first, "cli")
    acme = confirmed(scene, second, "native")
    assert "Declined" in first.press("decline").text
    assert error_of(polled(scene, "cli", northwind)) == "access_denied"
    log_in(second)
    scene.time.go(timedelta(seconds=5))
    assert error_of(polled(scene, "native", acme)) == "tokens"


def test_the_form_of_one_browser_is_of_no_use_in_another() -> None:
    """[FP-01] [FS-01]: a login that a session has confirmed is that session's."""
    scene = two_directories("never")
    person, thief = person_of(scene), person_of(scene)
    codes = confirmed(scene, person, "native")
    thief.open(f"{ISSUER}u/login?state={state_of(person)}")
    assert not any("password" in form.values for form in thief.page.forms)
    assert error_of(polled(scene, "native", codes)) == "authorization_pending"


def test_a_password_for_one_login_leaves_nothing_to_its_session() -> None:
    """[FS-01]: the page of the second factor is nobody's without what the password began."""
    scene = scene_of(mfa="always")
    person = person_of(scene)
    at_password(scene, person)
    assert "Set up a second factor" in person.page.text
    assert "too old" in person.open(f"{ISSUER}u/mfa").text


def test_a_link_that_is_over_costs_nothing_and_leads_to_its_ending() -> None:
    """[FP-02]."""
    scene = two_directories("never")
    person = person_of(scene)
    codes = confirmed(scene, person, "native")
    log_in(person)
    for _ in range(5):
        assert "Your program is logged in" in person.open(str(codes["verification_uri_complete"])).text
    stranger = person_of(scene)
    for _ in range(5):
        assert "No login is waiting" in stranger.open(str(codes["verification_uri_complete"])).text
    declined = device(scene, "native")
    person.open(str(declined["verification_uri_complete"]))
    person.press("decline")
    assert "Declined" in person.open(str(declined["verification_uri_complete"])).text
    fresh = device(scene, "native")
    assert str(fresh["user_code"]) in person_of(scene).open(str(fresh["verification_uri_complete"])).text


def exhaust(scene: Scene) -> None:
    letters = "BCDFGHJKLMNPQRSTVWXZ"
    for number in range(5):
        url = f"{ISSUER}activate?user_code=BBBB-BBB{letters[number]}"
        scene.send(Request("GET", url), peer=f"198.51.100.{number // 3}")


def test_strangers_guesses_do_not_stop_who_is_logged_in() -> None:
    """[FS-24]: a person who is logged in has wrong codes of their own."""
    scene = two_directories("never")
    person = person_of(scene)
    confirmed(scene, person, "native")
    log_in(person)
    codes = device(scene, "native")
    exhaust(scene)
    assert str(codes["user_code"]) in person.open(str(codes["verification_uri_complete"])).text
    assert "logged in" in person.press("confirm").text
    for letter in "BCD":
        person.open(f"{ISSUER}activate?user_code=BBBB-BBD{letter}")
    another = device(scene, "native")
    assert "Too many wrong codes" in person.open(f"{ISSUER}activate?user_code={another['user_code']}").text
    assert "Is this the code" in person.open(str(another["verification_uri_complete"])).text, "our link is no guess"


def test_strangers_guesses_do_not_stop_who_logs_in_first() -> None:
    """[FS-24]: during the wait, a person logs in and then enters the code."""
    scene = two_directories("never")
    exhaust(scene)
    codes, person = device(scene, "native"), person_of(scene)
    page = person.open(f"{ISSUER}activate?user_code={codes['user_code']}")
    assert "Too many wrong codes" in page.text
    assert "logging in first" in page.text
    person.press("first", user_code=str(codes["user_code"]))
    log_in(person)
    assert str(codes["user_code"]) in person.page.text
    person.press("confirm")
    scene.time.go(timedelta(seconds=5))
    assert error_of(polled(scene, "native", codes)) == "tokens"


def test_a_page_that_was_shown_is_not_held_up() -> None:
    """[FS-24]: guesses between the page and the button change nothing."""
    scene = two_directories("never")
    codes, person = device(scene, "native"), person_of(scene)
    person.open(str(codes["verification_uri_complete"]))
    exhaust(scene)
    person.press("confirm")
    log_in(person)
    scene.time.go(timedelta(seconds=5))
    assert error_of(polled(scene, "native", codes)) == "tokens"

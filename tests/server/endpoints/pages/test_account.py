"""The page of a person's account: what is theirs, and what they may end or change."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.protocol.http import Request
from keyfob.server.decide.throttle import MESSAGES, MESSAGES_SPAN
from keyfob.server.endpoints.pages.account import FRESH_FOR
from keyfob.server.ports import Transaction
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.endpoints.oauth.test_password import code_for

NEW_PASSWORD = "seven quiet otters paint the harbour"
ACCOUNT = f"{ISSUER}account"


def at_account(scene: Scene, password: str = PASSWORD) -> Person:
    person = scene.person()
    person.open(ACCOUNT)
    person.press("login", email=EMAIL, password=password)
    return person


def enrolled(scene: Scene, person: Person) -> str:
    """Set up a second factor with its recovery code. Return the secret."""
    person.open(f"{ISSUER}u/enrol")
    person.press("login", email=EMAIL, password=PASSWORD)
    words = person.press("enrol").text.split()
    at = words.index("Then")
    secret = "".join(words[at - 8 : at])
    person.press("verify", code=code_for(scene, secret))
    person.press("kept")
    return secret


def test_a_person_who_is_not_logged_in_logs_in_first(scene: Scene) -> None:
    """[AS-ASVS-06]."""
    person = scene.person()
    page = person.open(ACCOUNT)
    assert page.url.startswith(f"{ISSUER}u/login")
    assert EMAIL not in page.text
    page = person.press("login", email=EMAIL, password=PASSWORD)
    assert page.url.startswith(ACCOUNT)
    assert EMAIL in page.text
    assert "Pat Example" in page.text


def test_signed_in_apps_are_listed_and_signed_out(scene: Scene) -> None:
    """[AS-ASVS-12] [AS-ASVS-10]: the refresh token of an app that was signed out is refused."""
    stored = scene.log_in("read:orders", "offline_access")
    assert stored.refresh_token is not None
    person = at_account(scene)
    assert "keyfob CLI" in person.page.text
    assert "192.0.2.7" in person.page.text
    page = person.press("end")
    assert "Signed out." in page.text
    assert "No app is signed in" in page.text
    answer = scene.post(
        "oauth/token",
        grant_type="refresh_token",
        client_id=READY_CLIENT_ID,
        refresh_token=stored.refresh_token.reveal(),
    )
    assert answer.status == 403


def test_nobody_signs_out_what_is_another_persons(scene: Scene) -> None:
    """[AS-ASVS-06]: the id in the form is looked up among the person's own logins."""
    scene.log_in("read:orders", "offline_access")
    person = at_account(scene)
    own = next(form.values["id"] for form in person.page.forms if ("button", "end") in form.buttons)

    async def give_away() -> None:
        async def work(transaction: Transaction) -> None:
            login = await transaction.refresh_by_id(bytes.fromhex(own))
            assert login is not None
            await transaction.save_refresh(replace(login, user_id="auth0|another"))

        await scene.store.write(work)

    asyncio.run(give_away())
    person.press("end", id=own)
    found = asyncio.run(scene.store.read(lambda transaction: transaction.refresh_by_id(bytes.fromhex(own))))
    assert found is not None
    assert not found.has_ended


@pytest.mark.parametrize("made_up", ["", "xyz", "00", "ff" * 32, "é" * 40])
def test_an_id_that_is_none_ends_nothing(scene: Scene, made_up: str) -> None:
    scene.log_in("read:orders", "offline_access")
    person = at_account(scene)
    page = person.press("end", id=made_up)
    assert page.status == 200
    assert "keyfob CLI" in page.text


def test_signing_out_everywhere_else_leaves_this_browser(scene: Scene) -> None:
    """[AS-ASVS-10]."""
    scene.log_in("read:orders", "offline_access")
    other = at_account(scene)
    person = at_account(scene)
    assert "Another browser" in person.page.text
    page = person.press("end_all")
    assert "Signed out everywhere else." in page.text
    assert "No app is signed in" in page.text
    assert "/u/login" in other.open(ACCOUNT).url
    assert person.open(ACCOUNT).url == ACCOUNT


def test_logging_out_here_ends_the_session_at_the_server(scene: Scene) -> None:
    """[AS-ASVS-10]."""
    person = at_account(scene)
    before = dict(person.cookies)
    assert "logged out here" in person.press("logout").text
    person.cookies = before
    assert "/u/login" in person.open(ACCOUNT).url


def test_a_password_is_changed_with_the_current_one_and_ends_the_rest(scene: Scene) -> None:
    """[AS-ASVS-10]: and its owner is told by e-mail."""
    scene.log_in("read:orders", "offline_access")
    other, person = at_account(scene), at_account(scene)
    page = person.press("password", current=PASSWORD, password=NEW_PASSWORD)
    assert "Your password is changed." in page.text
    assert "No app is signed in" in page.text
    assert "/u/login" in other.open(ACCOUNT).url
    assert [mail.to for mail in scene.outbox.sent if "was changed" in mail.subject] == [EMAIL]
    assert NEW_PASSWORD not in scene.outbox.sent[-1].text
    assert "Wrong e-mail or password" in at_account(scene).page.text
    assert EMAIL in at_account(scene, NEW_PASSWORD).page.text
    assert any(event["type"] == "scp" for event in scene.events)


@pytest.mark.parametrize(
    ("button", "fields"),
    [("password", {"current": PASSWORD, "password": NEW_PASSWORD}), ("end_all", {})],
)
def test_a_stolen_cookie_is_of_no_use_after_a_new_password(scene: Scene, button: str, fields: dict[str, str]) -> None:
    """[AS-ASVS-09]: this browser gets a new session, too, since the thief has the cookie of the old one."""
    scene.log_in("read:orders", "offline_access")
    person, thief = at_account(scene), scene.person()
    thief.cookies = dict(person.cookies)
    assert EMAIL in thief.open(ACCOUNT).text
    page = person.press(button, **fields)
    assert page.url.startswith(ACCOUNT)
    assert 'role="status"' in page.response.body.decode()
    assert "/u/login" in thief.open(ACCOUNT).url
    assert person.open(ACCOUNT).url == ACCOUNT
    assert "Another browser" not in person.page.text


@pytest.mark.parametrize(
    ("current", "new", "problem"),
    [
        ("wrong", NEW_PASSWORD, "not your current password"),
        (PASSWORD, PASSWORD, "your current password. Please choose another"),
        (PASSWORD, "short", "too short"),
        (PASSWORD, "x" * 2000, "too long"),
        (PASSWORD, "passwordpassword1", "too easily guessed"),
        (PASSWORD, "person@example.com", "too easily guessed"),
    ],
)
def test_a_password_that_will_not_do_changes_nothing(scene: Scene, current: str, new: str, problem: str) -> None:
    person = at_account(scene)
    page = person.press("password", current=current, password=new)
    assert problem in page.text
    assert page.response.header("cache-control") == "no-store"
    assert scene.outbox.sent == []
    assert EMAIL in at_account(scene).page.text


def test_wrong_current_passwords_are_counted_like_every_wrong_password(scene: Scene) -> None:
    """[AS-NIST-07]: a browser that was left open does not help to guess."""
    person = at_account(scene)
    for _ in range(7):
        person.press("password", current="wrong", password=NEW_PASSWORD)
    assert "Too many wrong passwords" in person.page.text


def test_a_name_is_changed_and_is_one_line(scene: Scene) -> None:
    person = at_account(scene)
    assert "Your name is saved." in person.press("name", name="  Pat   von\nBeispiel ").text
    assert "Pat von Beispiel" in person.page.text
    assert "Please enter your name" in person.press("name", name="x" * 101).text
    assert "Please enter your name" in person.press("name", name=" ").text
    page = person.press("name", name="<script>alert(1)</script>")
    assert b"<script>alert" not in page.response.body


def test_a_factor_is_removed_only_soon_after_a_login(scene: Scene) -> None:
    """[AS-ASVS-06]: an open browser is not enough to take a second factor away."""
    person = scene.person()
    secret = enrolled(scene, person)
    page = person.open(ACCOUNT)
    assert "Authenticator" in page.text
    assert "Recovery code" in page.text
    scene.time.go(FRESH_FOR + timedelta(seconds=1))
    page = person.press("remove")
    assert "log in once more" in page.text
    person.press("login", email=EMAIL, password=PASSWORD)
    page = person.press("verify", code=code_for(scene, secret))
    assert "Authenticator" in page.text
    page = person.press("remove")
    assert "The second factor is removed." in page.text
    assert "There is none" in page.text, "the recovery code stood in for it"


def test_a_new_recovery_code_replaces_the_old_one_and_is_shown_once(scene: Scene) -> None:
    person = scene.person()
    enrolled(scene, person)
    person.open(ACCOUNT)
    page = person.press("recovery")
    assert "Keep this recovery code" in page.text
    assert page.text.count("Recovery code of") == 1
    assert "Keep this recovery code" not in person.open(ACCOUNT).text
    stolen = scene.person()
    assert "Keep this recovery code" not in stolen.open(page.url).text


def subjects(scene: Scene) -> list[str]:
    found = [mail.subject for mail in scene.outbox.sent if mail.to == EMAIL]
    scene.outbox.sent.clear()
    return found


def test_a_user_is_told_by_e_mail_of_each_change_of_a_factor(scene: Scene) -> None:
    """OWASP ASVS 6.3.7, NIST SP 800-63B-4 §4.6: an attacker at an open browser changes nothing unseen."""
    person = scene.person()
    enrolled(scene, person)
    assert subjects(scene) == ["A second factor was added to your account at Example"]
    person.open(ACCOUNT)
    shown = person.press("recovery").text
    [mail] = scene.outbox.sent
    assert subjects(scene) == ["Your account at Example has a new recovery code"]
    assert f"{ISSUER}account" in mail.text
    assert "Forgot your password" in mail.text
    words = shown.partition("Recovery code of")[2].split()
    recovery = "".join(words[words.index("Example") + 1 :][:6])
    other = scene.person()
    other.open(ACCOUNT)
    other.press("login", email=EMAIL, password=PASSWORD)
    page = other.press("verify", code=recovery)
    assert "Keep this recovery code" in page.text
    assert subjects(scene) == ["Your recovery code for Example was used"]
    other.press("kept")
    other.press("remove")
    assert subjects(scene) == ["A second factor was removed from your account at Example"]


def test_many_changes_are_not_all_told(scene: Scene) -> None:
    """A mailbox is not filled by pressing a button again and again; the first changes of an hour are told."""
    person = scene.person()
    enrolled(scene, person)
    person.open(ACCOUNT)
    for _ in range(2 * MESSAGES):
        person.press("recovery")
    assert len(subjects(scene)) == MESSAGES
    scene.time.go(MESSAGES_SPAN)
    other = scene.person()
    other.open(f"{ISSUER}u/forgot")
    other.press("send", email=EMAIL)
    other.open(re.findall(r"https:\S+", scene.outbox.sent[-1].text)[0])
    other.press("save", password=NEW_PASSWORD)
    assert subjects(scene)[1:] == ["Your password for Example was changed"]


@pytest.mark.parametrize("button", ["name", "password", "end", "end_all", "remove", "recovery", "logout", "confirm"])
def test_a_form_of_another_site_does_nothing(scene: Scene, button: str) -> None:
    """[AS-ASVS-04]."""
    person = at_account(scene)
    jar = ("cookie", "; ".join(f"{name}={value}" for name, value in person.cookies.items()))
    kind = ("content-type", "application/x-www-form-urlencoded")
    before = len(scene.events)
    answer = scene.send(Request("POST", ACCOUNT, (kind, jar), f"button={button}&name=x".encode()))
    assert answer.status == 303
    assert len(scene.events) == before
    assert "too old" in person.open(f"{ISSUER[:-1]}{answer.header('location')}").text
    assert EMAIL in person.open(ACCOUNT).text

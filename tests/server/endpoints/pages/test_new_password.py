"""Links in e-mails: a forgotten password, a new account, a confirmed address; and what they never tell."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.protocol.http import Request
from keyfob.serve import ready_config
from keyfob.server.decide.limits import MAIL_SPREAD
from keyfob.server.decide.throttle import LINKS_OF_ADDRESS, LINKS_OF_NETWORK
from keyfob.server.endpoints.pages.mail_link import LIFETIME
from keyfob.server.io.asgi import AsgiApp
from keyfob.server.ports import Transaction
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene

NEW_PASSWORD = "seven quiet otters paint the harbour"
UNKNOWN = "nobody@example.com"


@pytest.fixture
def open_scene() -> Scene:
    """A tenant where people may create accounts."""
    return Scene(replace(ready_config(ISSUER), name="Example", sign_up=True))


def asked(scene: Scene, email: str, path: str = "u/forgot") -> Person:
    person = scene.person()
    person.open(f"{ISSUER}{path}")
    person.press("send", email=email)
    return person


def link_in(scene: Scene, number: int = -1) -> str:
    found = re.search(rf"{re.escape(ISSUER)}\S+", scene.outbox.sent[number].text)
    assert found is not None
    return found[0]


def logged_in(scene: Scene, password: str) -> bool:
    person = scene.person()
    person.open(f"{ISSUER}account")
    return "Your account" in person.press("login", email=EMAIL, password=password).text


def test_a_forgotten_password_is_replaced_by_a_link(scene: Scene) -> None:
    """[AS-ASVS-10]: every login that the old one had opened has ended."""
    scene.log_in("read:orders", "offline_access")
    old = scene.person()
    old.open(f"{ISSUER}account")
    old.press("login", email=EMAIL, password=PASSWORD)
    scene.outbox.sent.clear()
    person = asked(scene, EMAIL.upper())
    assert "mailbox" in person.page.text
    [mail] = scene.outbox.sent
    assert mail.to == EMAIL
    assert link_in(scene) in mail.html.replace("&amp;", "&")
    page = person.open(link_in(scene))
    assert EMAIL in page.text
    page = person.press("save", password=NEW_PASSWORD)
    assert "Log in with it now" in page.text
    assert not logged_in(scene, PASSWORD)
    assert logged_in(scene, NEW_PASSWORD)
    assert "/u/login" in old.open(f"{ISSUER}account").url
    assert scene.outbox.sent[-1].subject == "Your password for Example was changed"
    assert [event["type"] for event in scene.events if event["type"] in {"scpr", "scp"}] == ["scpr", "scp"]


def test_a_link_works_once(scene: Scene) -> None:
    person = asked(scene, EMAIL)
    link = link_in(scene)
    person.open(link)
    person.press("save", password=NEW_PASSWORD)
    late = scene.person()
    assert "was used already" in late.open(link).text


def test_a_link_that_was_opened_twice_saves_one_password(scene: Scene) -> None:
    person = asked(scene, EMAIL)
    link = link_in(scene)
    first, second = scene.person(), scene.person()
    first.open(link)
    second.open(link)
    first.press("save", password=NEW_PASSWORD)
    assert "was used already" in second.press("save", password="eight loud walruses mend a bridge").text
    assert logged_in(scene, NEW_PASSWORD)
    del person


def test_opening_a_link_uses_nothing_up(scene: Scene) -> None:
    """[AS-ASVS-05]: mail scanners open links."""
    person = asked(scene, EMAIL)
    for method in ("HEAD", "GET", "GET"):
        scene.send(Request(method, link_in(scene)))
    person.open(link_in(scene))
    assert "Log in with it now" in person.press("save", password=NEW_PASSWORD).text


def test_a_link_lapses(scene: Scene) -> None:
    person = asked(scene, EMAIL)
    scene.time.go(LIFETIME + timedelta(seconds=1))
    assert "has expired" in person.open(link_in(scene)).text


def test_a_link_ends_with_the_password_that_it_was_for(scene: Scene) -> None:
    """An older link in a mailbox that somebody reads later opens nothing."""
    asked(scene, EMAIL)
    asked(scene, EMAIL)
    person = scene.person()
    person.open(link_in(scene, 1))
    person.press("save", password=NEW_PASSWORD)
    assert "was used already" in person.open(link_in(scene, 0)).text


@pytest.mark.parametrize("change", ["cut", "flip", "empty", "long", "other purpose"])
def test_a_link_that_is_not_ours_opens_nothing(scene: Scene, change: str) -> None:
    asked(scene, EMAIL)
    link = link_in(scene)
    token = link.partition("link=")[2]
    wrong = {
        "cut": token[:-8],
        "flip": token[:40] + ("A" if token[40] != "A" else "B") + token[41:],
        "empty": "",
        "long": "A" * 5000,
        "other purpose": token,
    }[change]
    path = "u/verify" if change == "other purpose" else "u/reset"
    assert "Ask for a new one" in scene.person().open(f"{ISSUER}{path}?link={wrong}").text


def test_answers_do_not_tell_whether_there_is_an_account(scene: Scene) -> None:
    """[AS-ASVS-07]: the same status, page and headers, and an e-mail for the one alone."""
    pages = []
    for email in (EMAIL, UNKNOWN):
        person = asked(scene, email)
        text = person.page.response.body.decode().replace(email, "...")
        names = sorted(name for name, _ in person.page.response.headers)
        pages.append((person.page.status, re.sub(r"state=[^\"]+|value=\"[^\"]{20,}\"", "", text), names))
    assert pages[0] == pages[1]
    assert [mail.to for mail in scene.outbox.sent] == [EMAIL]


def in_order(scene: Scene) -> list[str]:
    """Return a list to which each e-mail and each part of a response is added."""
    order: list[str] = []
    send = scene.outbox.send

    async def noted(to: str, subject: str, text: str, html: str = "") -> None:
        order.append("mail")
        await send(to, subject, text, html)

    scene.outbox.send = noted  # type: ignore[method-assign]
    app = scene.tenant.app

    async def watched(scope, receive, transport) -> None:  # type: ignore[no-untyped-def]
        async def sent(message) -> None:  # type: ignore[no-untyped-def]
            order.append(message["type"])
            await transport(message)

        await app(scope, receive, sent)

    scene.pair.join("https://login.example", watched)
    return order


def test_the_e_mail_is_sent_after_the_response(scene: Scene) -> None:
    """[AS-ASVS-07]: a slow mail server does not tell who has an account."""
    person = scene.person()
    person.open(f"{ISSUER}u/forgot")
    order = in_order(scene)
    person.press("send", email=EMAIL)
    assert order[:3] == ["http.response.start", "http.response.body", "mail"]


def test_an_unknown_address_takes_the_same_work(scene: Scene) -> None:
    """[AS-ASVS-07]: a caller who sends a second request at once sees how long the work after the first one takes."""
    render, rendered = scene.tenant._site.render, list[str]()

    def noted(name: str, words: Mapping[str, object]) -> bytes:
        rendered.append(name)
        return render(name, words)

    scene.tenant._site.render = noted
    work: list[list[str]] = []
    for email in (EMAIL, UNKNOWN):
        person = scene.person()
        person.open(f"{ISSUER}u/forgot")
        rendered.clear()
        person.press("send", email=email)
        work.append(list(rendered))
    assert work[0] == work[1]
    assert "link_mail.txt" in work[0]
    assert [mail.to for mail in scene.outbox.sent] == [EMAIL]


def test_an_e_mail_leaves_at_no_time_that_its_request_tells(scene: Scene) -> None:
    """[AS-ASVS-07]: sending takes work too, and only for an account, so it is spread over a moment."""
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        assert len(scene.outbox.sent) == len(waited)
        waited.append(seconds)

    scene.pair.join(scene.config.origin, AsgiApp(scene.tenant._site, wait=wait))
    for _ in range(LINKS_OF_ADDRESS):
        asked(scene, EMAIL)
    assert len(scene.outbox.sent) == len(waited) == LINKS_OF_ADDRESS
    assert len(set(waited)) == LINKS_OF_ADDRESS
    assert all(0 <= seconds < MAIL_SPREAD.total_seconds() for seconds in waited)


@pytest.mark.parametrize("is_known", [True, False])
def test_the_page_after_an_approval_waits_for_no_mail_server(scene: Scene, *, is_known: bool) -> None:
    """It took ten seconds where the mail server did not answer."""
    person = scene.person()
    if is_known:
        person.open(f"{ISSUER}account")
        person.press("login", email=EMAIL, password=PASSWORD)
    asked = scene.post("oauth/device/code", client_id=READY_CLIENT_ID, scope="read:orders")
    person.open(json.loads(asked.body)["verification_uri_complete"])
    order = in_order(scene)
    person.press("confirm")
    if not is_known:
        order.clear()
        person.press("login", email=EMAIL, password=PASSWORD)
    assert order[:3] == ["http.response.start", "http.response.body", "mail"]
    assert "is signed in" in person.page.text


def test_an_e_mail_that_fails_in_an_unknown_way_takes_no_other_with_it(scene: Scene) -> None:
    sent: list[str] = []

    async def fail() -> None:
        raise ZeroDivisionError

    async def send() -> None:
        sent.append("the other")

    for work in (send, fail, send):
        scene.tenant._site.after_response(work)
    assert scene.send(Request("GET", ISSUER)).status == 200
    assert sent == ["the other"] * 2


def test_a_blocked_user_gets_no_link(scene: Scene) -> None:
    async def block(transaction: Transaction) -> None:
        user = await transaction.user_by_email(EMAIL)
        assert user is not None
        await transaction.save_user(replace(user, is_blocked=True))

    asked(scene, EMAIL)
    asyncio.run(scene.store.write(block))
    asked(scene, EMAIL)
    assert len(scene.outbox.sent) == 1
    assert "Ask for a new one" in scene.person().open(link_in(scene)).text


def test_an_address_gets_few_e_mails_and_nobody_is_told_when_they_stop(scene: Scene) -> None:
    pages = {asked(scene, EMAIL).page.text for _ in range(LINKS_OF_ADDRESS + 3)}
    assert len(pages) == 1
    assert len(scene.outbox.sent) == LINKS_OF_ADDRESS


def test_a_network_asks_for_few_e_mails(scene: Scene) -> None:
    """[AS-ASVS-07]: and is told so, whether or not there is an account."""
    for number in range(LINKS_OF_NETWORK):
        asked(scene, f"nobody{number}@example.com")
    assert "Too many e-mails" in asked(scene, EMAIL).page.text
    assert "Too many e-mails" in asked(scene, UNKNOWN).page.text
    assert scene.outbox.sent == []
    scene.time.go(timedelta(minutes=3))
    assert "mailbox" in asked(scene, EMAIL).page.text


@pytest.mark.parametrize("typed", ["", "x", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\n", "é" * 400 + "@b"])
def test_what_is_no_address_is_told_so(scene: Scene, typed: str) -> None:
    person = asked(scene, typed)
    if typed == "a@b\n":
        assert "mailbox" in person.page.text, "it is trimmed"
    else:
        assert "does not look like an e-mail address" in person.page.text
    assert scene.outbox.sent == []


@pytest.mark.parametrize(
    ("password", "problem"),
    [("short", "too short"), ("passwordpassword1", "too easily guessed"), ("x" * 2000, "too long")],
)
def test_a_weak_password_is_refused_and_the_link_still_works(scene: Scene, password: str, problem: str) -> None:
    person = asked(scene, EMAIL)
    person.open(link_in(scene))
    assert problem in person.press("save", password=password).text
    assert "Log in with it now" in person.press("save", password=NEW_PASSWORD).text


def test_without_a_mailer_nothing_is_promised() -> None:
    scene = Scene(replace(ready_config(ISSUER), sign_up=True))
    scene.tenant._site.mailer = None
    person = scene.person()
    assert "No e-mail can be sent here" in person.open(f"{ISSUER}u/forgot").text
    assert person.open(f"{ISSUER}u/signup").status == 404
    assert "Forgot your password" not in person.open(f"{ISSUER}account").text


def test_an_account_is_created_by_a_link(open_scene: Scene) -> None:
    person = asked(open_scene, "new@example.com", "u/signup")
    assert "mailbox" in person.page.text
    [mail] = open_scene.outbox.sent
    assert mail.to == "new@example.com"
    person.open(link_in(open_scene))
    assert "too short" in person.press("save", name="Nina New", password="short").text
    assert "Nina New" in person.page.response.body.decode(), "the name is not typed again"
    page = person.press("save", name="Nina New", password=NEW_PASSWORD)
    assert "Welcome" in page.text
    page = person.press("login", email="new@example.com", password=NEW_PASSWORD)
    assert "Nina New" in page.text
    assert "was used already" in open_scene.person().open(link_in(open_scene)).text


def test_signing_up_does_not_tell_whether_there_is_an_account(open_scene: Scene) -> None:
    """[AS-ASVS-07]: the owner of the address is told, and nobody else."""
    new, known = asked(open_scene, UNKNOWN, "u/signup"), asked(open_scene, EMAIL, "u/signup")
    assert new.page.text.replace(UNKNOWN, "...") == known.page.text.replace(EMAIL, "...")
    assert [(mail.to, "You have an account" in mail.subject) for mail in open_scene.outbox.sent] == [
        (UNKNOWN, False),
        (EMAIL, True),
    ]
    assert "link=" not in open_scene.outbox.sent[1].text


def test_signing_up_is_off_unless_the_tenant_says_otherwise(scene: Scene, open_scene: Scene) -> None:
    assert scene.person().open(f"{ISSUER}u/signup").status == 404
    link = asked(open_scene, UNKNOWN, "u/signup")
    del link
    token = link_in(open_scene).partition("link=")[2]
    assert "Ask for a new one" in scene.person().open(f"{ISSUER}u/join?link={token}").text
    assert "Create an account" not in scene.person().open(ISSUER).text
    assert "Create an account" in open_scene.person().open(ISSUER).text


def test_an_address_is_confirmed_by_a_link_and_a_button(scene: Scene) -> None:
    async def doubt(transaction: Transaction) -> None:
        user = await transaction.user_by_email(EMAIL)
        assert user is not None
        await transaction.save_user(replace(user, email_verified=False))

    asyncio.run(scene.store.write(doubt))
    person = scene.person()
    person.open(f"{ISSUER}account")
    person.press("login", email=EMAIL, password=PASSWORD)
    assert "not confirmed" in person.page.text
    assert "on its way" in person.press("confirm").text
    person.open(link_in(scene))
    assert "is confirmed" in person.press("confirm").text
    assert "not confirmed" not in person.open(f"{ISSUER}account").text
    assert "Ask for a new one" in person.open(link_in(scene)).text


def test_e_mails_are_written_in_the_language_of_the_browser(scene: Scene) -> None:
    asked_in_german(scene)
    assert scene.outbox.sent[0].subject == "Wählen Sie ein neues Passwort für Example"
    assert 'lang="de"' in scene.outbox.sent[0].html


def asked_in_german(scene: Scene) -> None:
    def send(request: Request):  # type: ignore[no-untyped-def]
        return scene.send(replace(request, headers=(*request.headers, ("accept-language", "de-AT,de;q=0.9"))))

    person = Person(send)
    person.open(f"{ISSUER}u/forgot")
    person.press("send", email=EMAIL)

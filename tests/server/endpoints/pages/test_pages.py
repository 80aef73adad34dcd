"""The pages where a person decides, and what they refuse."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.jose.tokens import take_apart
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import FORM, Request, Response
from keyfob.protocol.secret import Secret
from keyfob.serve import Api, Application, ready_config
from keyfob.server.decide.throttle import guess_budget
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene

UNKNOWN = "No login is waiting for that code."
PAGES = ["activate", "activate?user_code=BCDF-GHJK", "activate/done", "u/login"]


def begin(scene: Scene) -> Fields:
    parameters = {"client_id": READY_CLIENT_ID, "scope": "openid profile offline_access read:orders"}
    return read_json(scene.post("oauth/device/code", **parameters).body, "answer")


def outcome(scene: Scene, answer: Fields) -> str:
    code = answer.text("device_code")
    response = scene.post("oauth/token", grant_type=DEVICE_CODE, device_code=code, client_id=READY_CLIENT_ID)
    return "granted" if response.status == 200 else read_json(response.body, "x").text("error")


def at_login(scene: Scene, answer: Fields) -> Person:
    person = scene.person()
    person.open(f"{ISSUER}activate?user_code={answer.text('user_code')}")
    person.press("confirm")
    return person


def test_the_confirm_page_says_who_asks_for_what_from_where(scene: Scene) -> None:
    """[AS-8628-13] [AS-8628-12] [AS-10027-02]."""
    answer = begin(scene)
    page = scene.person().open(answer.text("verification_uri_complete"))
    for words in (
        answer.text("user_code"),
        "keyfob CLI",
        "192.0.2.7",
        "read your orders",
        "stay logged in",
        "12:00 UTC",
    ):
        assert words in page.text
    assert "Approve only if you started this yourself" in page.text
    assert [value for _, value in page.forms[0].buttons] == ["decline", "confirm"], "declining comes first"
    assert outcome(scene, answer) == "authorization_pending"


@pytest.mark.parametrize(
    "typed",
    ["{0}", "{1}", "{2}", " {0} ", "{3}", "{4}"],
    ids=["as shown", "lower", "without dash", "spaces", "long dash", "full width"],
)
def test_a_code_is_read_as_people_type_it(scene: Scene, typed: str) -> None:
    """[AS-8628-08]."""
    code = begin(scene).text("user_code")
    wide = "".join(chr(ord(letter) + 0xFEE0) if letter != "-" else "－" for letter in code)  # noqa: RUF001
    forms = (code, code.lower(), code.replace("-", ""), code.replace("-", "–"), wide)
    person = scene.person()
    person.open(f"{ISSUER}activate")
    person.press("continue", user_code=typed.format(*forms))
    assert code in person.page.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_pages_changes_nothing(scene: Scene, method: str) -> None:
    """[AS-ASVS-05]."""
    answer = begin(scene)
    person = at_login(scene, answer)
    jar = (("cookie", "; ".join(f"{name}={value}" for name, value in person.cookies.items())),)
    for path in [*PAGES, f"activate?user_code={answer.text('user_code')}"] * 2:
        scene.send(Request(method, f"{ISSUER}{path}", jar))
    assert outcome(scene, answer) == "authorization_pending"
    person.press("login", email=EMAIL, password=PASSWORD)
    scene.time.go(timedelta(seconds=5))
    assert outcome(scene, answer) == "granted"


@pytest.mark.parametrize("path", [*PAGES, "assets/style.css"])
def test_every_page_defends_itself(scene: Scene, path: str) -> None:
    """[AS-ASVS-11] [AS-6749-26] [AS-9700-07]."""
    response = scene.send(Request("GET", f"{ISSUER}{path}"))
    assert response.header("x-content-type-options") == "nosniff"
    if path.startswith("assets"):
        return
    policy = response.header("content-security-policy") or ""
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert "unsafe" not in policy
    assert response.header("x-frame-options") == "DENY"
    assert response.header("referrer-policy") == "no-referrer"
    assert response.header("cache-control") == "no-store"
    assert response.header("strict-transport-security")
    assert not re.search(rb"<script|style=|https?://(?!login\.example)", response.body)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing/here", 404),
        ("TRACE", "account", 405),
        ("GET", ".well-known/jwks.json", 200),
        ("GET", "healthz", 200),
        ("POST", "oauth/token", 400),
        ("GET", "assets/image", 404),
        ("GET", "activate?user_code=a&user_code=b", 200),
        ("POST", "activate", 413),
        ("GET", "u/forgot", 500),
    ],
)
def test_every_other_response_defends_itself_too(scene: Scene, method: str, path: str, status: int) -> None:
    """[AS-ASVS-11]: JSON and errors as well."""
    if status == 500:
        del scene.tenant._site.render  # as a bug could
    body = b"x" * 100_000 if status == 413 else b""
    response = scene.send(Request(method, f"{ISSUER}{path}", (), body))
    assert response.status == status
    assert [value for name, value in response.headers if name == "x-content-type-options"] == ["nosniff"]
    assert [name for name, _ in response.headers if name == "strict-transport-security"]
    assert "no-store" in (response.header("cache-control") or "") or status == 200


def test_a_cookie_whose_name_is_not_exact_is_not_the_session(scene: Scene) -> None:
    """A browser checks the prefix `__Host-` on the exact name, so another host of the domain may set a name like it."""
    person = scene.person()
    person.open(f"{ISSUER}account")
    person.press("login", email=EMAIL, password=PASSWORD)
    [(name, value)] = person.cookies.items()
    for header in (f"{name}={value}", f"x=1;\t{name}={value}", f"x=1;  {name}={value} "):
        assert scene.send(Request("GET", f"{ISSUER}account", (("cookie", header),))).status == 200
    for before in ("\xa0", "\x85", "\x0b", "\x1f"):
        header = f"{before}{name}={value}"
        assert scene.send(Request("GET", f"{ISSUER}account", (("cookie", header),))).status == 303


def test_the_page_to_enter_a_code_warns_of_the_codes_of_others(scene: Scene) -> None:
    """[AS-8628-13] RFC 8628 §5.4: before the code is entered, as an attacker talks the victim through the page."""
    assert "Enter only a code from your own screen." in scene.person().open(f"{ISSUER}activate").text


def test_the_sessions_cookie_is_as_safe_as_cookies_get(scene: Scene) -> None:
    """[AS-ASVS-08]."""
    cookie = scene.send(Request("GET", f"{ISSUER}activate")).header("set-cookie") or ""
    pair, *attributes = cookie.split("; ")
    assert pair.startswith("__Host-keyfob=")
    assert len(pair) >= len("__Host-keyfob=") + 43
    assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"}


def forged(scene: Scene, person: Person, body: str, *headers: tuple[str, str]) -> Response:
    jar = ("cookie", "; ".join(f"{name}={value}" for name, value in person.cookies.items()))
    return scene.send(Request("POST", f"{ISSUER}activate", (("content-type", FORM), jar, *headers), body.encode()))


def test_a_form_without_its_proof_does_nothing(scene: Scene) -> None:
    """[AS-ASVS-04] [AS-ASVS-06]."""
    answer = begin(scene)
    person, stranger = scene.person(), scene.person()
    person.open(answer.text("verification_uri_complete"))
    stranger.open(answer.text("verification_uri_complete"))
    own, foreign = person.page.forms[0].values["csrf"], stranger.page.forms[0].values["csrf"]
    code = f"user_code={answer.text('user_code')}&button=decline"
    assert forged(scene, person, code).status == 403
    assert forged(scene, person, f"{code}&csrf={foreign}").status == 403
    assert forged(scene, person, f"{code}&csrf={own}", ("origin", "https://evil.example")).status == 403
    assert forged(scene, person, f"{code}&csrf={own}", ("sec-fetch-site", "cross-site")).status == 403
    assert forged(scene, Person(), f"{code}&csrf={own}").status == 403
    assert outcome(scene, answer) == "authorization_pending"
    assert forged(scene, person, f"{code}&csrf={own}").status == 303


def test_only_the_session_that_confirmed_may_approve(scene: Scene) -> None:
    """[AS-ASVS-06]."""
    answer = begin(scene)
    first = at_login(scene, answer)
    second = at_login(scene, answer)
    first.press("login", email=EMAIL, password=PASSWORD)
    assert "logged in" not in first.page.text
    assert outcome(scene, answer) == "authorization_pending"
    second.press("login", email=EMAIL, password=PASSWORD)
    scene.time.go(timedelta(seconds=5))
    assert outcome(scene, answer) == "granted"


def test_a_login_page_without_a_confirmed_code_leads_back(scene: Scene) -> None:
    """[AS-ASVS-06]."""
    response = scene.send(Request("GET", f"{ISSUER}u/login"))
    assert (response.status, response.header("location")) == (303, "/activate")


def test_logging_in_makes_a_new_session_and_the_old_one_is_dead(scene: Scene) -> None:
    """[AS-ASVS-09] [AS-9700-06]."""
    answer = begin(scene)
    person = at_login(scene, answer)
    before = dict(person.cookies)
    person.press("login", email=EMAIL, password=PASSWORD)
    assert person.cookies.keys() == before.keys()
    assert person.cookies != before
    thief = scene.person()
    thief.cookies = before
    thief.open(f"{ISSUER}activate?user_code={begin(scene).text('user_code')}")
    thief.press("confirm")
    assert "Password" in thief.page.text


def test_somebody_logged_in_still_has_to_press_a_button(scene: Scene) -> None:
    """[AS-6749-25]."""
    person = at_login(scene, begin(scene))
    person.press("login", email=EMAIL, password=PASSWORD)
    second = begin(scene)
    person.open(second.text("verification_uri_complete"))
    assert outcome(scene, second) == "authorization_pending"
    person.press("confirm")
    assert "Your program is logged in" in person.page.text
    scene.time.go(timedelta(seconds=5))
    assert outcome(scene, second) == "granted"


def test_a_session_ends_by_itself(scene: Scene) -> None:
    """[AS-ASVS-10]."""
    person = at_login(scene, begin(scene))
    person.press("login", email=EMAIL, password=PASSWORD)
    scene.time.go(timedelta(hours=12))
    person.open(begin(scene).text("verification_uri_complete"))
    person.press("confirm")
    assert "Password" in person.page.text


@pytest.mark.parametrize("state", ["used", "declined", "lapsed", "never given"])
def test_a_code_that_is_over_gets_one_and_the_same_answer(scene: Scene, state: str) -> None:
    """[AS-8628-15] [AS-8628-14]."""
    answer = begin(scene)
    code = answer.text("user_code")
    if state == "used":
        at_login(scene, answer).press("login", email=EMAIL, password=PASSWORD)
    elif state == "declined":
        person = scene.person()
        person.open(answer.text("verification_uri_complete"))
        person.press("decline")
    elif state == "lapsed":
        scene.time.go(timedelta(minutes=15))
    else:
        code = "BCDF-GHJK"
    page = scene.person().open(f"{ISSUER}activate?user_code={code}")
    assert page.status == 400
    assert UNKNOWN in page.text


def test_what_strangers_write_is_never_markup() -> None:
    """[AS-6749-20]."""
    evil = '"><script>alert(1)</script>'
    ready = ready_config(ISSUER)
    api = Api(ready.apis[0].audience, evil, {"read:orders": evil})
    scene = Scene(replace(ready, applications=(Application(READY_CLIENT_ID, evil),), apis=(api,), name=evil))
    typed = scene.send(Request("GET", f"{ISSUER}activate?user_code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"))
    confirm = scene.send(Request("GET", begin(scene).text("verification_uri_complete")))
    assert b"<script" not in typed.body + confirm.body
    assert b"&lt;script" in confirm.body


def wrong_code(number: int) -> str:
    letters = "BCDFGHJKLMNPQRSTVWXZ"
    return f"BBBB-BB{letters[number // 20]}{letters[number % 20]}"


def test_guessing_codes_is_paid_from_one_budget(scene: Scene) -> None:
    """[AS-8628-07] [AS-6749-13]."""
    code = begin(scene).text("user_code")
    assert guess_budget(2.0**-32) == 5
    answers = [
        scene.send(Request("GET", f"{ISSUER}activate?user_code={wrong_code(number)}"), peer=f"198.51.100.{number}")
        for number in range(8)
    ]
    texts = [UNKNOWN.encode() in answer.body for answer in answers]
    assert texts == [True] * 5 + [False] * 3, "five for everybody, however many addresses"
    spent = scene.send(Request("GET", f"{ISSUER}activate?user_code={code}"), peer="203.0.113.9")
    assert b"Too many wrong codes" in spent.body
    scene.time.go(timedelta(minutes=16))
    code = begin(scene).text("user_code")
    again = scene.send(Request("GET", f"{ISSUER}activate?user_code={code}"), peer="203.0.113.9")
    assert b"Is this the code" in again.body
    assert code.encode() in again.body


def test_one_address_has_three_wrong_codes(scene: Scene) -> None:
    """[AS-8628-07]."""
    for number in range(3):
        assert UNKNOWN.encode() in scene.send(Request("GET", f"{ISSUER}activate?user_code={wrong_code(number)}")).body
    code = begin(scene).text("user_code")
    blocked = scene.send(Request("GET", f"{ISSUER}activate?user_code={code}"))
    assert b"Too many wrong codes" in blocked.body
    elsewhere = scene.send(Request("GET", f"{ISSUER}activate?user_code={code}"), peer="203.0.113.9")
    assert code.encode() in elsewhere.body


def test_text_that_can_be_no_code_costs_nothing(scene: Scene) -> None:
    for _ in range(10):
        assert UNKNOWN.encode() in scene.send(Request("GET", f"{ISSUER}activate?user_code=AEIOU")).body
    assert scene.person().open(begin(scene).text("verification_uri_complete")).status == 200


def test_wrong_people_and_wrong_passwords_get_the_same_words(scene: Scene) -> None:
    """[AS-ASVS-07]."""
    pages = []
    for email, password in (
        ("nobody@example.com", PASSWORD),
        (EMAIL, "wrong"),
        (EMAIL, PASSWORD.upper()),
        (EMAIL, "x" * 5000),
    ):
        person = at_login(scene, begin(scene))
        person.press("login", email=email, password=password)
        pages.append((person.page.status, person.page.text))
    assert len(set(pages)) == 1
    assert "Wrong e-mail or password." in pages[0][1]


def test_guessing_passwords_gets_slower_but_locks_nobody_out(scene: Scene) -> None:
    """Delays grow for each account and address; a cap over all addresses is not here yet."""
    person = at_login(scene, begin(scene))
    for _ in range(5):
        person.press("login", email=EMAIL, password="wrong")
        assert "Wrong e-mail or password." in person.page.text
    person.press("login", email=EMAIL, password=PASSWORD)
    assert "Too many wrong passwords" in person.page.text
    scene.pair.peer = "203.0.113.9"
    owner = at_login(scene, begin(scene))
    owner.press("login", email=EMAIL, password=PASSWORD)
    assert "logged in" in owner.page.text
    scene.pair.peer = "192.0.2.7"
    scene.time.go(timedelta(seconds=1))
    person.press("login", email=EMAIL, password=PASSWORD)
    assert "logged in" in person.page.text


def test_the_audit_log_tells_who_did_what_and_no_secret(scene: Scene) -> None:
    """[AS-ASVS-13]."""
    answer = begin(scene)
    person = at_login(scene, answer)
    person.press("login", email=f"x\r\nforged{EMAIL}", password="wrong password")
    person.press("login", email=EMAIL, password=PASSWORD)
    scene.time.go(timedelta(seconds=5))
    assert outcome(scene, answer) == "granted"
    assert [event["type"] for event in scene.events] == ["fu", "s", "sede"]
    told = repr(scene.events)
    for secret in (PASSWORD, "wrong password", answer.text("device_code"), answer.text("user_code"), "\n"):
        assert secret not in told


def test_somebody_logged_in_may_use_another_account(scene: Scene) -> None:
    asyncio.run(scene.tenant.add_user("other@example.com", Secret(PASSWORD), "Other"))
    person = at_login(scene, begin(scene))
    person.press("login", email=EMAIL, password=PASSWORD)
    answer = begin(scene)
    person.open(answer.text("verification_uri_complete"))
    assert f"logged in here as {EMAIL}" in person.page.text
    person.press("other")
    person.press("login", email="other@example.com", password=PASSWORD)
    code = answer.text("device_code")
    response = scene.post("oauth/token", grant_type=DEVICE_CODE, device_code=code, client_id=READY_CLIENT_ID)
    token = take_apart(Secret(read_json(response.body, "x").text("id_token")))
    assert b"Other" in token.payload


def test_an_approval_in_the_last_second_still_reaches_the_program(scene: Scene) -> None:
    answer = begin(scene)
    person = at_login(scene, answer)
    scene.time.go(timedelta(minutes=15, seconds=-1))
    person.press("login", email=EMAIL, password=PASSWORD)
    scene.time.go(timedelta(seconds=10))
    assert outcome(scene, answer) == "granted"


def test_an_approval_that_nobody_fetches_lapses(scene: Scene) -> None:
    answer = begin(scene)
    at_login(scene, answer).press("login", email=EMAIL, password=PASSWORD)
    scene.time.go(timedelta(minutes=16))
    assert outcome(scene, answer) == "expired_token"

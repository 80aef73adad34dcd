"""Reload, "back" and pasted text: what people do with pages, and what must not be lost or sent again by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyfob.protocol.http import Request, Response
from keyfob.server.decide.user_code import read_user_code
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.attacks.browsers import at_password, code_for, confirmed, device, error_of, polled, shown_secret
from tests.server.wires import address_of, landed, log_in, person_of, redeem, scene_of


def recorded(scene: Scene) -> tuple[Person, list[tuple[str, str, int]]]:
    """A person, and the method, path and status of each answer that they get."""
    seen: list[tuple[str, str, int]] = []
    plain = person_of(scene)._send

    def send(request: Request) -> Response:
        answer = plain(request)
        seen.append((request.method, request.path, answer.status))
        return answer

    return Person(send), seen


def test_every_form_of_a_session_is_answered_with_a_redirect() -> None:
    """[FP-03]: wrong code, wrong password, wrong factor, each step of an enrolment, declining."""
    scene = scene_of(mfa="always", name="Example")
    person, seen = recorded(scene)
    person.open(f"{ISSUER}activate")
    person.press("continue", user_code="nonsense")
    codes = device(scene, "native")
    person.press("continue", user_code=str(codes["user_code"]))
    person.press("confirm")
    person.press("login", email=EMAIL, password="wrong")
    assert "Wrong e-mail" in person.page.text
    assert EMAIL in person.page.response.body.decode(), "what was typed is still there"
    log_in(person)
    secret = shown_secret(person.press("enrol").text)
    person.press("verify", code="000000")
    person.press("verify", code=code_for(scene, secret))
    person.press("kept")
    assert "logged in" in person.page.text
    other = device(scene, "native")
    person.open(str(other["verification_uri_complete"]))
    person.press("decline")
    assert {status for method, _, status in seen if method == "POST"} == {303}
    assert len([1 for method, _, _ in seen if method == "POST"]) == 10


def test_a_form_post_response_can_be_reloaded() -> None:
    """[FP-03]: the code is not issued by a reload, and the password is not sent again."""
    scene = scene_of()
    person, seen = recorded(scene)
    person.open(address_of(response_mode="form_post"))
    log_in(person)
    if "/u/consent" in person.page.url:
        person.press("approve")
    assert {status for method, _, status in seen if method == "POST"} == {303}
    first = person.page.forms[0].values["code"]
    assert person.open(person.page.url).forms[0].values["code"] == first
    assert redeem(scene, first).status == 200


def test_a_reload_while_enrolling_shows_the_same_secret() -> None:
    """[FP-03]: and so does pressing the button again, as after "back"."""
    scene = scene_of(mfa="always", name="Example")
    person = person_of(scene)
    at_password(scene, person)
    before = person.page.url
    secret = shown_secret(person.press("enrol").text)
    assert shown_secret(person.open(person.page.url).text) == secret
    assert shown_secret(person.open(before).text) == secret
    assert "Keep this recovery code" in person.press("verify", code=code_for(scene, secret)).text


def test_a_reload_of_the_recovery_page_shows_the_same_code() -> None:
    """[FP-03]: in the session that has proven the factor, and nowhere else."""
    scene = scene_of(mfa="always", name="Example")
    person = person_of(scene)
    codes = at_password(scene, person)
    secret = shown_secret(person.press("enrol").text)
    shown = person.press("verify", code=code_for(scene, secret))
    assert person.open(shown.url).text == shown.text
    thief = person_of(scene)
    assert "too old" in thief.open(shown.url).text
    person.open(shown.url)
    assert "logged in" in person.press("kept").text
    scene.time.go(timedelta(seconds=5))
    assert error_of(polled(scene, "native", codes)) == "tokens"


def test_an_authorization_request_goes_on_after_the_recovery_code() -> None:
    """[FP-03]."""
    scene = scene_of(mfa="always", name="Example")
    person = person_of(scene)
    person.open(address_of())
    log_in(person)
    secret = shown_secret(person.press("enrol").text)
    person.press("verify", code=code_for(scene, secret))
    page = person.press("kept")
    if "/u/consent" in page.url:
        page = person.press("approve")
    assert redeem(scene, landed(page)["code"]).status == 200


def test_back_after_the_end_leads_to_the_end() -> None:
    """[FP-03] [FP-02]: nothing is asked again, and nothing is approved twice."""
    scene = scene_of()
    person = person_of(scene)
    confirmed(scene, person, "native")
    login_page = person.page.url
    log_in(person)
    assert "Your program is logged in" in person.open(login_page).text


def test_a_code_that_has_lapsed_says_so() -> None:
    """[FP-06]."""
    scene = scene_of()
    person = person_of(scene)
    confirmed(scene, person, "native")
    scene.time.go(timedelta(minutes=15))
    assert "That code has expired" in log_in(person).text
    other = person_of(scene)
    codes = device(scene, "native")
    other.open(str(codes["verification_uri_complete"]))
    scene.time.go(timedelta(minutes=15))
    assert "That code has expired" in other.press("confirm").text


@pytest.mark.parametrize(
    "typed",
    [
        "https://login.example/activate?user_code=BCDF-GHJK",
        "login.example/activate?user_code=bcdfghjk&x=1",
        "Code: BCDF-GHJK",
        "Your code is BCDF–GHJK.",
        "code  bcdf ghjk",
    ],
)
def test_what_people_paste_around_a_code_does_not_matter(typed: str) -> None:
    """[FP-06]."""
    assert read_user_code(typed) == "BCDF-GHJK"


@pytest.mark.parametrize(
    "typed", ["BCDF-GHJK and BCDF-GHJL", "BCDF-GHJKL", "CODE", "x" * 1000, "user_code=", "AEIOU-BC"]
)
def test_what_may_be_two_codes_or_none_is_no_code(typed: str) -> None:
    """[FP-06]."""
    assert read_user_code(typed) is None


def test_the_start_page_is_a_page() -> None:
    """[FP-06]: it leads to what a person may do here."""
    scene = scene_of(name="Example")
    person = person_of(scene)
    page = person.open(ISSUER)
    assert page.status == 200
    assert (page.response.header("content-type") or "").startswith("text/html")
    assert b'href="/activate"' in page.response.body
    assert b'href="/u/enrol"' in page.response.body
    assert PASSWORD not in page.text

"""What happens rarely: a blocked person, weaker hashes, a late button, a login begun and declined."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import argon2
import pytest

from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import Request
from keyfob.serve import ready_config
from keyfob.server.records import User
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene, quick_passwords


def begin(scene: Scene) -> Fields:
    parameters = {"client_id": READY_CLIENT_ID, "scope": "openid offline_access"}
    return read_json(scene.post("oauth/device/code", **parameters).body, "answer")


def poll(scene: Scene, answer: Fields) -> Fields:
    code = answer.text("device_code")
    return read_json(
        scene.post("oauth/token", grant_type=DEVICE_CODE, device_code=code, client_id=READY_CLIENT_ID).body, "x"
    )


def at_login(scene: Scene, answer: Fields) -> Person:
    person = scene.person()
    person.open(answer.text("verification_uri_complete"))
    person.press("confirm")
    return person


def user_of(scene: Scene) -> User:
    user = asyncio.run(scene.tenant._site.store.read(lambda transaction: transaction.user_by_email(EMAIL)))
    assert user is not None
    return user


def change(scene: Scene, **changed: object) -> None:
    user = replace(user_of(scene), **changed)  # type: ignore[arg-type]
    asyncio.run(scene.tenant._site.store.write(lambda transaction: transaction.save_user(user)))


def test_declining_at_the_login_page_ends_it(scene: Scene) -> None:
    """[AS-8628-14]."""
    answer = begin(scene)
    person = at_login(scene, answer)
    person.press("decline")
    assert "Declined" in person.page.text
    assert poll(scene, answer).text("error") == "access_denied"


def test_a_blocked_person_gets_in_nowhere(scene: Scene) -> None:
    """[AS-6749-34]: a refresh token dies with its person's account."""
    answer = begin(scene)
    at_login(scene, answer).press("login", email=EMAIL, password=PASSWORD)
    late = begin(scene)
    at_login(scene, late).press("login", email=EMAIL, password=PASSWORD)
    tokens = poll(scene, answer)
    change(scene, is_blocked=True)
    person = at_login(scene, begin(scene))
    person.press("login", email=EMAIL, password=PASSWORD)
    assert "Wrong e-mail or password." in person.page.text
    assert poll(scene, late).text("error") == "invalid_grant", "approved before, not fetched yet"
    refreshed = scene.post(
        "oauth/token",
        grant_type="refresh_token",
        refresh_token=tokens.text("refresh_token"),
        client_id=READY_CLIENT_ID,
    )
    assert read_json(refreshed.body, "x").text("error") == "invalid_grant"
    bearer = (("authorization", f"Bearer {tokens.text('access_token')}"),)
    assert scene.send(Request("GET", f"{ISSUER}userinfo", bearer)).status == 401


def test_a_weaker_hash_is_made_anew_at_the_next_login(scene: Scene) -> None:
    """[AS-NIST-06]."""
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=16).hash(PASSWORD)
    change(scene, password_hash=weak)
    at_login(scene, begin(scene)).press("login", email=EMAIL, password=PASSWORD)
    assert user_of(scene).password_hash != weak
    assert not quick_passwords().is_outdated(user_of(scene).password_hash)


def test_a_login_that_comes_too_late_approves_nothing(scene: Scene) -> None:
    answer = begin(scene)
    person = at_login(scene, answer)
    scene.time.go(timedelta(minutes=15))
    person.press("login", email=EMAIL, password=PASSWORD)
    assert "That code has expired" in person.page.text
    assert poll(scene, answer).text("error") == "expired_token"


def test_a_code_decided_elsewhere_meanwhile_cannot_be_decided_again(scene: Scene) -> None:
    """[AS-8628-15]."""
    answer = begin(scene)
    slow, quick = scene.person(), scene.person()
    for person in (slow, quick):
        person.open(answer.text("verification_uri_complete"))
    quick.press("decline")
    slow.press("confirm")
    assert slow.page.status == 400
    assert "No login is waiting" in slow.page.text


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/xml"])
def test_a_body_of_another_kind_is_refused(scene: Scene, kind: str) -> None:
    """[AS-6749-02]."""
    request = Request("POST", f"{ISSUER}oauth/device/code", (("content-type", kind),), b"client_id=keyfob-cli")
    assert scene.send(request).status == 400


def test_a_broken_query_is_an_empty_one(scene: Scene) -> None:
    assert "Enter the code" in scene.person().open(f"{ISSUER}activate?user_code=%FF").text


def test_continuing_without_a_code_asks_for_one(scene: Scene) -> None:
    person = scene.person()
    person.open(f"{ISSUER}activate")
    person.press("continue", user_code="  ")
    assert "Please enter the code" in person.page.text


def test_one_address_gets_only_so_many_codes_and_others_their_own() -> None:
    """[AS-8628-11]: the flood is told when to come back."""
    scene = Scene(replace(ready_config(ISSUER), device_requests=3))
    answers = [scene.post("oauth/device/code", client_id=READY_CLIENT_ID) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[3].header("retry-after") == "301"
    assert scene.post("oauth/device/code", client_id=READY_CLIENT_ID, peer="203.0.113.9").status == 200
    scene.time.go(timedelta(minutes=5))
    assert scene.post("oauth/device/code", client_id=READY_CLIENT_ID).status == 200

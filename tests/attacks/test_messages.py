"""E-mails with codes: strangers with a password cannot send many."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from keyfob.errors import Unreachable
from keyfob.protocol.http import JSON, Request, Response
from keyfob.protocol.secret import Secret
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.endpoints.oauth.test_password import by_email, mfa_token
from tests.server.wires import device_codes, scene_of, send_json, told, with_password

HALF_A_MINUTE = timedelta(seconds=31)


def challenge(scene: Scene, pending: str) -> Response:
    asked = {"client_id": "legacy", "mfa_token": pending, "challenge_type": "oob"}
    return send_json(scene, "mfa/challenge", asked)


def associate(scene: Scene, pending: str, peer: str | None = None) -> Response:
    asked = json.dumps({"authenticator_types": ["oob"], "oob_channels": ["email"]}).encode()
    headers = (("authorization", f"Bearer {pending}"), ("content-type", JSON))
    return scene.send(Request("POST", f"{ISSUER}mfa/associate", headers, asked), peer=peer)


def pending_of(scene: Scene, name: str) -> str:
    """The login of one more user, before the second factor."""
    email, password = f"{name}@example.com", f"{PASSWORD} of {name}"
    asyncio.run(scene.tenant.add_user(email, Secret(password), name.title()))
    shown: str = json.loads(with_password(scene, username=email, password=password).body)["mfa_token"]
    return shown


def strict() -> Scene:
    """A tenant whose user has enrolled e-mail; the message of the enrolment is an hour ago."""
    scene = scene_of(allows_password=True, mfa="always")
    by_email(scene)
    scene.time.go(timedelta(hours=1, seconds=1))
    scene.outbox.sent.clear()
    return scene


def test_one_login_sends_three_messages_with_a_pause_between() -> None:
    """[FS-17] 200 of 200 e-mails went out in a second."""
    scene = strict()
    pending = mfa_token(scene)
    statuses = [challenge(scene, pending).status for _ in range(20)]
    assert statuses == [200] + [429] * 19
    assert challenge(scene, pending).header("retry-after") is not None
    for _ in range(5):
        scene.time.go(HALF_A_MINUTE)
        challenge(scene, pending)
    assert len(scene.outbox.sent) == 3


def test_one_user_gets_ten_messages_an_hour() -> None:
    """[FS-17]."""
    scene = strict()
    for _ in range(20):
        challenge(scene, mfa_token(scene))
        scene.time.go(HALF_A_MINUTE)
    # Ten at once, and one comes back every six minutes.
    assert 10 <= len(scene.outbox.sent) <= 12


def test_one_network_gets_few_messages_for_all_users_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """[FS-17]: with a list of stolen passwords, one message to each."""
    monkeypatch.setattr("keyfob.server.endpoints.oauth.factor_tries.MESSAGES_OF_NETWORK", 2)
    scene = scene_of(allows_password=True, mfa="always")
    pending = [pending_of(scene, name) for name in ("ann", "bob", "cem", "dan")]
    assert [associate(scene, one).status for one in pending] == [200, 200, 429, 429]
    assert associate(scene, pending[3], peer="203.0.113.1").status == 200, "other networks are free"
    scene.time.go(timedelta(minutes=31))
    assert associate(scene, pending_of(scene, "eva")).status == 200


def test_a_tenant_without_mail_offers_no_codes_by_email() -> None:
    """[FS-17]: they went to a folder, and the operator was not told."""
    scene = strict()
    pending = mfa_token(scene)
    scene.tenant._site.mailer = None
    refused = (400, "unsupported_challenge_type", "This tenant sends no e-mail, so it has no codes by e-mail.")
    assert told(challenge(scene, pending)) == refused
    fresh = scene_of(allows_password=True, mfa="always")
    fresh.tenant._site.mailer = None
    begun = json.loads(with_password(fresh).body)
    assert begun["mfa_requirements"] == {"enroll": [{"type": "otp"}, {"type": "recovery-code"}]}
    assert told(associate(fresh, begun["mfa_token"])) == refused


def test_the_page_says_that_a_message_was_not_sent() -> None:
    """[FS-17]: the person may try again at once, or use the recovery code."""
    scene = strict()
    person = scene.person()
    person.open(str(device_codes(scene)["verification_uri_complete"]))
    person.press("confirm")
    person.press("login", email=EMAIL, password=PASSWORD)
    scene.tenant._site.mailer = Broken()
    for _ in range(2):
        page = person.press("email")
        assert page.status == 503
        assert "could not be sent" in page.text
    scene.tenant._site.mailer = None
    assert "No code can be sent by e-mail here" in person.press("email").text
    scene.tenant._site.mailer = scene.outbox
    assert "A code was sent" in person.press("email").text


class Broken:
    """A mail server that cannot be reached."""

    async def send(self, to: str, subject: str, text: str, html: str = "") -> None:
        del to, subject, text, html
        raise Unreachable("the mail server cannot be reached")

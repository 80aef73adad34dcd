"""E-mails with codes: strangers with a password cannot send many."""

from __future__ import annotations

from datetime import timedelta

from keyfob.protocol.http import Response
from keyfob.testing.scene import Scene
from tests.server.endpoints.oauth.test_password import by_email, mfa_token
from tests.server.wires import scene_of, send_json

HALF_A_MINUTE = timedelta(seconds=31)


def challenge(scene: Scene, pending: str) -> Response:
    asked = {"client_id": "legacy", "mfa_token": pending, "challenge_type": "oob"}
    return send_json(scene, "mfa/challenge", asked)


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

"""A device code that is bound to its program: whoever copies it cannot use it (RFC 7636 on RFC 8628)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.login import App, CodeShown, Notice
from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import Response
from keyfob.protocol.secret import Secret
from keyfob.server.decide.device import Answer, Issue, Undecided, decide_poll
from keyfob.server.records import Stage
from keyfob.testing.example_records import LOGIN
from keyfob.testing.fake_time import NOON
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scene import Scene, SceneWorld
from keyfob.testing.scene import approve as approve_shown
from tests.server.wires import CHALLENGE, ISSUER, VERIFIER, approve, device_codes, scene_of, token, told

BOUND = replace(LOGIN, challenge=CHALLENGE)
OTHER = "x" * 43
WRONG = [OTHER, VERIFIER[:-1], VERIFIER + "x", CHALLENGE, "short", "é" * 50, ""]


@pytest.fixture(params=["auth0", "rfc"])
def both(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param)


def poll(scene: Scene, codes: dict[str, object], verifier: str = "") -> Response:
    shown = {"code_verifier": verifier} if verifier else {}
    return token(scene, grant_type=DEVICE_CODE, device_code=str(codes["device_code"]), client_id="native", **shown)


def bound(scene: Scene) -> dict[str, object]:
    return device_codes(scene, code_challenge=CHALLENGE, code_challenge_method="S256")


def test_only_who_shows_the_verifier_gets_the_tokens(both: Scene) -> None:
    """[AS-7636-02] [AS-8628-04]"""
    codes = bound(both)
    approve(both, codes)
    for verifier in WRONG:
        assert told(poll(both, codes, verifier))[1] == "invalid_grant"
    assert poll(both, codes, VERIFIER).status == 200
    assert told(poll(both, codes, VERIFIER))[1] == "invalid_grant"


@pytest.mark.parametrize("stage", ["waiting", "confirmed", "approved", "denied"])
@pytest.mark.parametrize("verifier", WRONG)
def test_without_the_verifier_nothing_is_told(stage: Stage, verifier: str) -> None:
    """[AS-7636-02]: not even whether the person has decided."""
    login, shown = replace(BOUND, stage=stage), Secret(verifier) if verifier else None
    assert decide_poll(login, "program", NOON, shown) == Answer("verifier_wrong")
    assert decide_poll(login, "program", NOON + timedelta(days=1), shown) == Answer("verifier_wrong")


def test_with_the_verifier_all_is_as_without_a_challenge() -> None:
    shown = Secret(VERIFIER)
    assert isinstance(decide_poll(BOUND, "program", NOON, shown), Undecided)
    assert isinstance(decide_poll(replace(BOUND, stage="approved"), "program", NOON, shown), Issue)
    assert decide_poll(BOUND, "another", NOON, shown) == Answer("code_unknown")


def test_a_verifier_for_a_code_that_was_never_bound_is_refused(both: Scene) -> None:
    """[AS-7636-02]: somebody has taken the challenge away on its way (RFC 9700 §4.8.2)."""
    codes = device_codes(both)
    approve(both, codes)
    assert told(poll(both, codes, VERIFIER))[1] == "invalid_grant"
    assert poll(both, codes).status == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"code_challenge": CHALLENGE, "code_challenge_method": "plain"},
        {"code_challenge": VERIFIER},
        {"code_challenge": "short", "code_challenge_method": "S256"},
        {"code_challenge": "x" * 44, "code_challenge_method": "S256"},
        {"code_challenge_method": "S256"},
        {"code_challenge_method": "plain"},
    ],
)
def test_a_challenge_that_binds_nothing_is_refused(both: Scene, asked: dict[str, str]) -> None:
    """[AS-7636-01]: absent means plain (RFC 7636 §4.3), and plain is refused."""
    response = both.post("oauth/device/code", client_id="native", scope="openid", **asked)
    assert told(response)[:2] == (400, "invalid_request")


def test_the_challenge_is_not_told_to_anybody(both: Scene) -> None:
    """[AS-7636-03]"""
    codes = bound(both)
    assert CHALLENGE not in str(codes)
    page = both.person().open(str(codes["verification_uri_complete"]))
    assert CHALLENGE not in page.text


def test_a_strangers_polls_do_not_slow_the_program_down(both: Scene) -> None:
    """[AS-8628-03]"""
    codes = bound(both)
    for _ in range(5):
        assert told(poll(both, codes, OTHER))[1] == "invalid_grant"
    assert told(poll(both, codes, VERIFIER))[1] == "authorization_pending"
    for _ in range(5):
        poll(both, codes, OTHER)
    assert told(poll(both, codes, VERIFIER))[1] == "slow_down"


def test_our_own_program_binds_its_code(both: Scene) -> None:
    """[AS-8628-04]: without a word from the person."""

    def tell(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            approve_shown(both.person(), notice)

    world = SceneWorld(both, tell)
    app = App(issuer=ISSUER, client_id="native", flow="device", vault=MemoryVault(), world=world)
    app.log_in()
    sent = [request.body for request in both.pair.sent if request.path.startswith("/oauth/")]
    assert b"code_challenge_method=S256" in sent[0]
    assert all(b"code_verifier=" in body for body in sent[1:] if b"device_code=" in body)

"""The legacy login with a password, against a scripted Auth0 and in a scene."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from urllib.parse import parse_qs

import pytest

from keyfob.client.flows.interactive import log_in
from keyfob.client.flows.mfa import _show_new_code
from keyfob.client.model.notices import ApprovalAwaited, FactorRefused, PasswordWarned, RecoveryCodeMade
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import KeyfobError, LoginDeclined, LoginRequired, Malformed, Misuse, Refused, TimedOut, Unreachable
from keyfob.login import App, Notice
from keyfob.protocol.http import Response, json_response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.server.settings.config import Wire
from keyfob.testing.example_tenant import ORDERS, example_config
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scene import EMAIL, Scene, SceneWorld
from keyfob.testing.scene import ISSUER as TENANT
from keyfob.testing.scripted_server import Answer, ScriptedWorld
from tests.client.blocking import Session
from tests.client.scripts import API, CLIENT, ISSUER, METADATA, OPENID, PENDING, SLOW_DOWN, error, tokens
from tests.client.scripts import stored as kept
from tests.server.endpoints.oauth.test_password import code_for, enrolled

PROFILE = Profile(
    "default", ISSUER, CLIENT, API, Scope.of(["read:orders"]), flow="password", allows_password=True,
    has_exact_scope=True,
)  # fmt: skip
PASSWORD = "correct horse"
MFA = json_response(403, {"error": "mfa_required", "error_description": "Multifactor", "mfa_token": "the-mfa-token"})
LISTED = "/mfa/authenticators"
CHALLENGE = "/mfa/challenge"


def world_of(*answers: Answer, listed: Answer | None = None, challenge: Answer | None = None) -> ScriptedWorld:
    script: dict[str, list[Answer]] = {OPENID: [json_response(200, METADATA.write())], "/token": list(answers)}
    if listed is not None:
        script[LISTED] = [listed]
    if challenge is not None:
        script[CHALLENGE] = [challenge]
    world = ScriptedWorld(script)
    world.answers = ["pat@example.com ", PASSWORD]
    return world


def body(world: ScriptedWorld, number: int = -1) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(world.requests("/token")[number].body.decode()).items()}


def factors(*kinds: str) -> Response:
    known = {
        "otp": {"id": "totp|dev_1", "authenticator_type": "otp", "active": True},
        "push": {"id": "push|dev_2", "authenticator_type": "oob", "active": True, "oob_channel": "auth0"},
        "email": {"id": "email|dev_3", "authenticator_type": "oob", "active": True, "oob_channel": "email",
                  "name": "pa***@example.com"},
        "recovery": {"id": "recovery-code|dev_4", "authenticator_type": "recovery-code", "active": True},
        "sleeping": {"id": "totp|dev_5", "authenticator_type": "otp", "active": False},
        "unheard of": {"id": "x|dev_6", "authenticator_type": "telepathy", "active": True},
    }  # fmt: skip
    return json_response(200, [known[kind] for kind in kinds])


def test_without_leave_no_password_is_asked_for() -> None:
    """[C-9700-07]."""
    world = world_of(tokens())
    with pytest.raises(Misuse, match="does not allow") as raised:
        run(log_in(world, replace(PROFILE, allows_password=False)))
    assert "--allow-password" in raised.value.hint_with_flags
    assert (world.asked, world.requests("/token")) == ([], [])


def test_a_password_travels_once_and_a_warning_comes_first() -> None:
    """[C-9700-07] [C-6749-15]: it stands in one request and nowhere else."""
    world = world_of(tokens(refresh_token="rt-1"))
    stored = run(log_in(world, PROFILE))
    assert body(world) == {
        "client_id": CLIENT,
        "grant_type": "password",
        "username": "pat@example.com",
        "password": PASSWORD,
        "audience": API,
        "scope": "read:orders",
    }
    assert isinstance(world.notices[0], PasswordWarned)
    assert [(question.kind, question.is_hidden) for question in world.asked] == [
        ("username", False),
        ("password", True),
    ]
    said = f"{stored!r} {stored.write().decode()} {world.notices!r} {world.parked!r}"
    assert PASSWORD not in said
    assert sum(PASSWORD.encode() in request.body.replace(b"+", b" ") for _, request in world.sent) == 1


def test_a_name_that_is_said_is_not_asked_for() -> None:
    """[C-6749-15]"""
    world = world_of(tokens())
    world.answers = [PASSWORD]
    run(log_in(world, replace(PROFILE, username="sam@example.com")))
    assert [question.kind for question in world.asked] == ["password"]
    assert (body(world)["username"], body(world)["password"]) == ("sam@example.com", PASSWORD)


@pytest.mark.parametrize("changed", [{"username": " "}, {"username": ""}, {"username": "pat", "flow": "device"}])
def test_a_name_is_said_with_a_password_and_is_not_empty(changed: dict[str, str]) -> None:
    with pytest.raises(Misuse, match="user name"):
        replace(PROFILE, **changed)  # type: ignore[arg-type]


def test_a_name_that_was_said_once_is_written_down_nowhere() -> None:
    assert b"sam" not in replace(PROFILE, username="sam").write()


@pytest.mark.parametrize(
    ("before", "offered"),
    [
        ({"person": "pat@example.com"}, "pat@example.com"),
        ({"person": "Pat Example"}, ""),
        ({"person": None}, ""),
        ({"person": "pat@example.com", "issuer": "https://other.example/"}, ""),
        (None, ""),
    ],
    ids=["e-mail", "a name to show", "nobody knows", "another issuer", "nobody"],
)
def test_the_last_logins_address_is_offered_as_the_name(before: dict[str, str] | None, offered: str) -> None:
    vault, world = MemoryVault(), world_of(tokens())
    if before is not None:
        run(vault.save(PROFILE.name, replace(kept(), **before)))  # type: ignore[arg-type]
    Session(PROFILE, vault, world).log_in(may_replace_account=lambda *_: True)
    assert [question.default for question in world.asked] == [offered, ""]


def test_a_realm_is_named_in_auth0s_own_grant() -> None:
    world = world_of(tokens())
    run(log_in(world, replace(PROFILE, realm="staff")))
    assert body(world)["grant_type"] == "http://auth0.com/oauth/grant-type/password-realm"
    assert body(world)["realm"] == "staff"


@pytest.mark.parametrize("typed", [["", PASSWORD], ["pat", ""], []])
def test_nothing_typed_is_nothing_asked(typed: list[str]) -> None:
    world = world_of(tokens())
    world.answers = typed
    with pytest.raises(Refused if typed else LoginRequired):
        run(log_in(world, PROFILE))
    assert world.requests("/token") == []


EXPLAINED = {
    "invalid_grant": (403, "name and the password"),
    "unauthorized_client": (403, "password grant"),
    "unsupported_grant_type": (400, "another flow"),
    "requires_verification": (401, "with a browser"),
    "password_leaked": (401, "data breach"),
    "too_many_attempts": (429, "blocked"),
    "unauthorized": (403, "refuses this user"),
    "server_error": (500, "--realm"),
}


@pytest.mark.parametrize("code", EXPLAINED)
def test_a_refusal_says_what_to_do(code: str) -> None:
    status, hint = EXPLAINED[code]
    with pytest.raises(Refused) as raised:
        run(log_in(world_of(error(code, status)), PROFILE))
    assert hint in raised.value.hint_with_flags
    assert raised.value.oauth_code == code
    assert PASSWORD not in f"{raised.value.message} {raised.value.hint_with_flags}"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Response(503, (), b"<html>"), Unreachable),
        (Response(200, (), b"<html>"), Malformed),
        (error("mfa_required", 403), Refused),
        (Response(403, (), b""), Refused),
    ],
)
def test_what_is_no_token_is_said_as_what_it_is(answer: Answer, kind: type[KeyfobError]) -> None:
    with pytest.raises(kind):
        run(log_in(world_of(answer), PROFILE))


def test_a_one_time_code_may_be_mistyped_twice() -> None:
    wrong = json_response(403, {"error": "invalid_grant", "error_description": "Invalid otp_code."})
    world = world_of(MFA, wrong, wrong, tokens(), listed=factors("unheard of", "sleeping", "otp"))
    world.answers += ["111 111", "222222", "333-333"]
    assert run(log_in(world, PROFILE)).access_token == Secret("at-1")
    assert [body(world, number)["otp"] for number in (1, 2, 3)] == ["111111", "222222", "333333"]
    assert body(world)["mfa_token"] == "the-mfa-token"
    assert sum(isinstance(notice, FactorRefused) for notice in world.notices) == 2
    assert world.requests(LISTED)[0].header("authorization") == "Bearer the-mfa-token"

    again = world_of(MFA, wrong, listed=factors("otp"))
    again.answers += ["1"] * 5
    with pytest.raises(Refused, match="refused the second factor"):
        run(log_in(again, PROFILE))
    assert len(again.requests("/token")) == 4


def test_a_login_that_is_over_is_not_typed_at_again() -> None:
    over = json_response(403, {"error": "invalid_grant", "error_description": "Malformed mfa_token"})
    world = world_of(MFA, over, listed=factors("otp"))
    world.answers += ["1"] * 5
    with pytest.raises(Refused):
        run(log_in(world, PROFILE))
    assert len(world.requests("/token")) == 2


@pytest.mark.parametrize(("typed", "kind"), [("", "otp"), ("1", "otp"), ("2", "oob"), ("3", "recovery-code")])
def test_of_several_factors_the_person_chooses(typed: str, kind: str) -> None:
    sent = json_response(200, {"challenge_type": "oob", "oob_code": "oob-1", "binding_method": "prompt"})
    world = world_of(MFA, tokens(recovery_code="NEXT"), listed=factors("otp", "email", "recovery"), challenge=sent)
    world.answers += [typed, "123456"]
    run(log_in(world, PROFILE))
    assert body(world)["grant_type"].endswith(f"mfa-{kind}")
    question = next(question for question in world.asked if question.kind == "factor")
    assert "2: e-mail to pa***@example.com" in question.words
    if kind == "oob":
        asked = json.loads(world.requests(CHALLENGE)[0].body)
        assert asked == {
            "mfa_token": "the-mfa-token",
            "challenge_type": "oob",
            "authenticator_id": "email|dev_3",
            "client_id": CLIENT,
        }
        assert body(world)["binding_code"] == "123456"
    if kind == "recovery-code":
        [made] = [notice for notice in world.notices if isinstance(notice, RecoveryCodeMade)]
        assert made.code == Secret("NEXT")


@pytest.mark.parametrize("typed", ["0", "4", "otp", "²", "-1", "99999999999"])
def test_a_factor_that_is_not_there_cannot_be_chosen(typed: str) -> None:
    world = world_of(MFA, listed=factors("otp", "email", "recovery"))
    world.answers.append(typed)
    with pytest.raises(Refused, match="not one of the second factors"):
        run(log_in(world, PROFILE))


def test_an_approval_on_another_device_is_asked_for_until_it_comes() -> None:
    challenge = json_response(200, {"challenge_type": "oob", "oob_code": "oob-1"})
    world = world_of(MFA, PENDING, SLOW_DOWN, tokens(), listed=factors("push"), challenge=challenge)
    assert run(log_in(world, PROFILE))
    moments = world.moments("/token")[1:]
    assert [round(later - earlier) for earlier, later in pairwise(moments)] == [6, 12]
    assert [notice.where for notice in world.notices if isinstance(notice, ApprovalAwaited)] == ["approve in an app"]
    assert "binding_code" not in body(world)

    refused = world_of(MFA, error("access_denied"), listed=factors("push"), challenge=challenge)
    with pytest.raises(LoginDeclined):
        run(log_in(refused, PROFILE))
    silent = world_of(MFA, PENDING, listed=factors("push"), challenge=challenge)
    with pytest.raises(TimedOut):
        run(log_in(silent, PROFILE))
    assert silent.time.passed <= timedelta(minutes=11)


@pytest.mark.parametrize(
    ("listed", "challenge", "code"),
    [
        (factors("sleeping"), None, "factor-missing"),
        (json_response(200, []), None, "factor-missing"),
        (json_response(200, {"not": "a list"}), None, "not-json"),
        (json_response(200, [1]), None, "not-json"),
        (error("access_denied", 401), None, "refused"),
        (factors("email"), error("unsupported_challenge_type"), "refused"),
        (factors("email"), json_response(200, {"challenge_type": "oob"}), "malformed"),
    ],
)
def test_a_factor_that_cannot_be_proven_ends_the_login_plainly(
    listed: Answer, challenge: Answer | None, code: str
) -> None:
    with pytest.raises(KeyfobError) as raised:
        run(log_in(world_of(MFA, listed=listed, challenge=challenge), PROFILE))
    assert raised.value.code == code


def in_scene(scene: Scene, notices: list[Notice], **answers: object) -> App:
    world = SceneWorld(scene, notices.append)
    world.answers |= answers  # type: ignore[arg-type]
    return App(
        issuer=TENANT,
        client_id="legacy",
        audience=ORDERS,
        scopes=["read:orders"],
        flow="password",
        allows_password=True,
        login_command="keyfob login",
        vault=MemoryVault(),
        world=world,
    )


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_a_person_logs_in_with_a_password_where_everybody_allows_it(wire: Wire) -> None:
    scene = Scene(example_config(TENANT, wire))
    app = in_scene(scene, [])
    stored: StoredLogin = app.log_in(lambda _: None)
    assert (stored.person, stored.refresh_token is not None) == (EMAIL, True)
    scene.time.go(timedelta(days=1))
    assert app.session().token() != stored.access_token.reveal()


def test_a_real_second_factor_is_proven_by_its_code_by_e_mail_and_by_the_recovery_code() -> None:
    scene = Scene(
        replace(example_config(TENANT), mfa="always", name="Example", factors=("otp", "email", "recovery-code"))
    )
    secret, recovery = enrolled(scene)
    assert in_scene(scene, [], factor=lambda: "1", otp=lambda: code_for(scene, secret)).log_in(print).person == EMAIL
    notices: list[Notice] = []
    stored = in_scene(scene, notices, factor=lambda: "2", recovery_code=lambda: recovery).log_in(notices.append)
    assert stored.person == EMAIL
    [made] = [notice for notice in notices if isinstance(notice, RecoveryCodeMade)]
    assert re.fullmatch("[A-Z0-9]{24}", made.code.reveal())
    assert made.code != Secret(recovery)


def test_a_person_without_a_factor_is_sent_to_a_browser_to_set_one_up() -> None:
    scene = Scene(replace(example_config(TENANT), mfa="always"))
    with pytest.raises(Refused) as raised:
        in_scene(scene, []).log_in(lambda _: None)
    assert raised.value.code == "factor-missing"
    assert "--flow browser" in raised.value.hint


@pytest.mark.parametrize("body", [b"no JSON", b'{"recovery_code": 7}'])
def test_an_answer_without_a_next_recovery_code_shows_none(body: bytes) -> None:
    world = ScriptedWorld({})
    _show_new_code(world, Response(200, (), body))
    assert world.notices == []

"""What other issuers say of refusals and lifetimes, and that a hint follows the error code, not the status alone."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from keyfob.client.flows.client_credentials import log_in as as_itself
from keyfob.client.flows.interactive import log_in
from keyfob.client.model.credential import PlatformToken
from keyfob.client.model.notices import NetworkTrouble
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import Source
from keyfob.errors import Refused, TimedOut
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.fake_time import NOON
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.scripts import CLIENT, DOCUMENT, ISSUER, OPENID, codes, error, tokens

ROBOT = Profile("ci", ISSUER, "robot", credential=Source("secret", "env", "X"), is_machine=True)
RUNNER = Profile("ci", ISSUER, "robot", identity=Source.read("identity:env:X"), is_machine=True)
BY_CODE = Profile("default", ISSUER, CLIENT, flow="device")
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        ("invalid_client", 400, "secret"),
        ("invalid_client", 401, "secret"),
        ("unauthorized_client", 400, "Enable"),
        ("invalid_scope", 400, "scope"),
        ("invalid_target", 400, "audience"),
        ("access_denied", 403, "audience"),
        ("invalid_dpop_proof", 400, "--dpop"),
    ],
)
def test_a_machine_is_told_what_to_look_at_by_the_error_code(code: str, status: int, word: str) -> None:
    """[FC-41]: Keycloak, Okta and others answer a wrong secret with 400 as well."""
    world = ScriptedWorld({OPENID: [DOCUMENT], "/token": [error(code, status)]})
    with pytest.raises(Refused) as raised:
        run(as_itself(world, ROBOT, Secret("s3cret")))
    assert word in raised.value.hint_with_flags
    assert ("audience" in raised.value.hint) == (word == "audience")


def test_a_missing_proof_that_is_called_an_invalid_request_is_known_by_its_words() -> None:
    """[FC-40]"""
    refusal = json_response(400, {"error": "invalid_request", "error_description": "DPoP proof is missing"})
    world = ScriptedWorld({OPENID: [DOCUMENT], "/token": [refusal]})
    with pytest.raises(Refused) as raised:
        run(as_itself(world, ROBOT, Secret("s3cret")))
    assert "--dpop require" in raised.value.hint_with_flags


def test_the_server_s_words_are_shown_while_it_is_polled_and_when_time_is_up() -> None:
    """[FC-41]"""
    broken = json_response(500, {"error": "server_error", "error_description": "The database is full"})
    world = ScriptedWorld({OPENID: [DOCUMENT], "/device": [codes()], "/token": [broken, tokens()]})
    run(log_in(world, BY_CODE))
    [trouble] = [notice for notice in world.notices if isinstance(notice, NetworkTrouble)]
    assert "The database is full" in trouble.what

    world = ScriptedWorld({OPENID: [DOCUMENT], "/device": [codes()], "/token": [broken]})
    with pytest.raises(TimedOut):
        run(log_in(world, BY_CODE))


def platform_token() -> PlatformToken:
    claims = {"iss": "https://ci.example", "sub": "job", "aud": ISSUER, "exp": (NOON + timedelta(hours=1)).timestamp()}
    return PlatformToken(Secret("a.b.c"), Fields(claims, "identity token"))


def exchanged(*answers: Response) -> list[str]:
    """The types that the platform's token was given, in order."""
    world = ScriptedWorld({OPENID: [DOCUMENT], "/token": list(answers)})
    run(as_itself(world, RUNNER, None, platform_token()))
    return [parse_qs(request.body.decode())["subject_token_type"][0] for request in world.requests("/token")]


def test_a_server_that_exchanges_nothing_but_access_tokens_is_given_one() -> None:
    """[FC-40]: Keycloak 26 refuses any other `subject_token_type`, even of a JWT."""
    refusal = json_response(400, {"error": "invalid_request", "error_description": "subject_token_type not supported"})
    assert exchanged(refusal, tokens()) == [JWT, ACCESS_TOKEN]
    assert exchanged(tokens()) == [JWT]
    with pytest.raises(Refused, match="invalid_request"):
        exchanged(refusal)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"refresh_token_timeout": 600, "authorization_expires_in": 900}, 600),
        ({"refresh_token_timeout": 900, "authorization_expires_in": 600}, 600),
        ({"refresh_token_timeout": 600}, 600),
        ({"authorization_expires_in": 600}, 600),
        ({"authorization_expires_in": 600, "refresh_expires_in": 0}, 600),
        ({"refresh_expires_in": 600}, 600),
        ({"refresh_token_expires_in": 600}, 600),
        ({"refresh_token_timeout": "soon", "authorization_expires_in": 600}, 600),
        ({"refresh_token_timeout": "soon"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_end_of_a_login_is_read_by_any_of_its_names(said: dict[str, object], seconds: int | None) -> None:
    """[FC-31]: of draft-ietf-oauth-refresh-token-expiration, of Keycloak, of GitHub and Microsoft."""
    answer = tokens(refresh_token="rt", **said)
    world = ScriptedWorld({OPENID: [DOCUMENT], "/device": [codes()], "/token": [answer]})
    stored = run(log_in(world, BY_CODE))
    until = None if stored.refresh_until is None else (stored.refresh_until - stored.obtained_at).total_seconds()
    assert until == seconds

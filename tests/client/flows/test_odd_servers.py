"""Servers that say less than they might, more than they should, or the same in another way."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, unquote_plus

import pytest

from keyfob.client.auth.client_auth import OAuthClient, methods_for
from keyfob.client.flows.client_credentials import log_in as as_itself
from keyfob.client.flows.device import log_in as by_code
from keyfob.client.flows.discovery import discover
from keyfob.client.flows.interactive import log_in
from keyfob.client.model.credential import Credential, PrivateKey
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import Source
from keyfob.errors import Malformed
from keyfob.protocol.device import DeviceRequest
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.example_tenant import MACHINE_KEY
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.scripts import ISSUER, METADATA, OPENID, PROFILE, client, codes, context, tokens

OAUTH = "/.well-known/oauth-authorization-server"
SMALL: dict[str, object] = {"issuer": ISSUER, "token_endpoint": METADATA.token_endpoint}
JUNK: dict[str, object] = {"x": [{"y": None}], "mtls_endpoint_aliases": {}, "op_policy_uri": "", "ui_locales": 1}
ROBOT = Profile("ci", ISSUER, "robot", credential=Source("key", "env", "X"), is_machine=True)
WORD = Secret("s3cret")


def asked_as(credential: Credential, metadata: dict[str, object], client_id: str = "robot") -> Request:
    """The token request of a program with that to show."""
    world = ScriptedWorld({OPENID: [json_response(200, metadata)], "/token": [tokens()]})
    robot = Profile("ci", ISSUER, client_id, credential=Source("secret", "env", "X"), is_machine=True)
    run(as_itself(world, robot, credential))
    return world.requests("/token")[0]


def test_the_smallest_metadata_with_junk_in_it_is_enough_and_means_basic() -> None:
    """[C-8414-03]"""
    asked = asked_as(WORD, SMALL | JUNK)
    assert (asked.header("authorization") or "").startswith("Basic ")
    assert b"secret" not in asked.body


def test_members_that_are_null_are_as_if_they_were_not_there() -> None:
    """[C-8414-03]"""
    nulls: dict[str, object] = dict.fromkeys(METADATA.__dataclass_fields__, None)
    world = ScriptedWorld({OPENID: [json_response(200, nulls | SMALL)]})
    found = run(discover(world, context(ISSUER)))
    assert (found.code_challenge_methods_supported, found.device_authorization_endpoint) == ((), None)
    assert methods_for(WORD, found) == ("client_secret_basic",)


def test_without_a_word_of_pkce_a_code_is_asked_for_without() -> None:
    """[C-8414-03]"""
    world = ScriptedWorld({"/device": [codes()], "/token": [tokens()]})
    run(by_code(world, METADATA, client(), DeviceRequest("cli")))
    assert b"code_" not in world.requests("/device")[0].body
    assert b"code_verifier" not in world.requests("/token")[0].body


@pytest.mark.parametrize(
    ("asked", "named", "hint"),
    [
        ("https://login.example", "https://login.example/", "with a slash at its end"),
        ("https://login.example/", "https://login.example", "without the slash at its end"),
        ("https://login.example/Realm", "https://login.example/realm", "Capital and small"),
        ("https://login.example/", "https://evil.example/", "exactly as its metadata"),
    ],
)
def test_what_is_wrong_with_an_issuer_is_said_and_the_other_is_not_repeated(asked: str, named: str, hint: str) -> None:
    """[C-8414-02]"""
    document = json_response(200, SMALL | {"issuer": named})
    path = f"{asked.removeprefix('https://login.example').rstrip('/')}{OPENID}"
    with pytest.raises(Malformed) as raised:
        run(discover(ScriptedWorld({path: [document]}), context(asked)))
    assert hint in raised.value.hint
    assert "evil" not in f"{raised.value.message}{raised.value.hint}"


@pytest.mark.parametrize("said", [{}, {"error": "not_found"}, {"issuer": None}, {"message": "no such page"}])
def test_json_that_is_no_metadata_does_not_hide_the_metadata(said: dict[str, object]) -> None:
    """[C-8414-01]: one that answers every address with 200."""
    world = ScriptedWorld({OPENID: [json_response(200, said)], OAUTH: [json_response(200, SMALL)]})
    assert run(discover(world, context(ISSUER))).token_endpoint == METADATA.token_endpoint
    alone = ScriptedWorld({OPENID: [json_response(200, said)], OAUTH: [json_response(200, said)]})
    with pytest.raises(Malformed, match="names no issuer"):
        run(discover(alone, context(ISSUER)))


def test_metadata_that_another_issuer_gave_is_not_asked_around() -> None:
    """[C-8414-02]: a mix-up is not mended by looking elsewhere."""
    world = ScriptedWorld(
        {OPENID: [json_response(200, SMALL | {"issuer": "https://x/"})], OAUTH: [json_response(200, SMALL)]}
    )
    with pytest.raises(Malformed):
        run(discover(world, context(ISSUER)))
    assert world.requests(OAUTH) == []


@pytest.mark.parametrize(("said", "seconds"), [("3600", 3600), (3600.0, 3600), (1e3, 1000), ("", None), (None, None)])
def test_a_lifetime_is_read_however_it_is_written(said: object, seconds: int | None) -> None:
    """[C-6749-18]"""
    world = ScriptedWorld({"/device": [codes(expires_in="900", interval="5")], "/token": [tokens(expires_in=said)]})
    answer = run(by_code(world, METADATA, client(), DeviceRequest("cli")))
    assert answer.expires_in == (None if seconds is None else timedelta(seconds=seconds))
    assert world.moments("/token")[0] >= 5


@pytest.mark.parametrize("said", [{"token_type": None}, {"token_type": ""}, {"token_type": 1}, {"token_type": "mac"}])
def test_a_token_whose_type_nobody_names_is_not_used(said: dict[str, object]) -> None:
    """[C-6749-16]: `token_type` is REQUIRED (RFC 6749 §5.1), and a token of an unknown type MUST NOT be used (§7.1)."""
    world = ScriptedWorld({OPENID: [json_response(200, SMALL)], "/token": [tokens(**said)]})
    with pytest.raises(Malformed, match="token_type"):
        run(as_itself(world, ROBOT, WORD))


@pytest.mark.parametrize("opens", [True, False])
def test_a_page_without_the_code_in_its_address_is_opened_as_it_is(opens: bool) -> None:
    """[C-8628-09]"""
    document = json_response(200, METADATA.write())
    world = ScriptedWorld({OPENID: [document], "/device": [codes()], "/token": [tokens()]})
    by_device = Profile("default", ISSUER, "cli", flow="device")
    run(log_in(world, by_device, opens_page=opens))
    assert world.address == ("https://login.example/activate" if opens else "")


# How a program proves itself.


def form_of(request: Request) -> dict[str, list[str]]:
    return parse_qs(request.body.decode())


@pytest.mark.parametrize(
    ("credential", "offered", "expected"),
    [
        (WORD, ["client_secret_basic"], "header"),
        (WORD, ["client_secret_post"], "client_secret"),
        (WORD, ["tls_client_auth"], "header"),
        (PrivateKey(MACHINE_KEY), ["private_key_jwt"], "client_assertion"),
        (PrivateKey(MACHINE_KEY), [], "client_assertion"),
    ],
)
def test_a_program_proves_itself_in_one_way_at_a_time(
    credential: Credential, offered: list[str], expected: str
) -> None:
    """[C-6749-07]"""
    asked = asked_as(credential, SMALL | {"token_endpoint_auth_methods_supported": offered})
    shown = {name for name in ("client_secret", "client_assertion") if name in form_of(asked)}
    shown |= {"header"} if asked.header("authorization") else set()
    assert shown == {expected}


@pytest.mark.parametrize("word", [":", "%", "+", "/", "é", " ", "a:b%20+/é ü&=?#", "%2B"])
def test_every_letter_survives_the_basic_header(word: str) -> None:
    """[C-6749-08]"""
    client_id, secret = f"id{word}", f"{word}secret"
    asked = asked_as(Secret(secret), SMALL, client_id)
    pair = base64.b64decode((asked.header("authorization") or "").removeprefix("Basic ")).decode("ascii")
    first, _, second = pair.partition(":")
    assert (unquote_plus(first), unquote_plus(second)) == (client_id, secret)


def test_a_key_alone_is_enough_and_no_secret_lies_anywhere() -> None:
    """[C-9700-03]"""
    asked = asked_as(PrivateKey(MACHINE_KEY), SMALL)
    assert form_of(asked).keys() == {"grant_type", "client_id", "client_assertion", "client_assertion_type"}
    assert "secret" not in json.dumps(ROBOT.write().decode())


def test_a_profile_of_which_nothing_is_said_is_of_a_public_program() -> None:
    """[C-8252-01]"""
    found = run(discover(ScriptedWorld({OPENID: [json_response(200, METADATA.write())]}), PROFILE))
    assert PROFILE.credential is None
    assert OAuthClient.context(found, PROFILE.client_id).methods == ("none",)


@pytest.mark.parametrize(
    "make", [lambda: Response(400), lambda: Response(401, (), b"[]"), lambda: json_response(403, {"error": ["x"]})]
)
def test_a_refusal_without_words_is_said_with_its_status(make: Callable[[], Response]) -> None:
    """[C-6749-19]"""
    refusal = make()
    world = ScriptedWorld({OPENID: [json_response(200, SMALL)], "/token": [refusal]})
    with pytest.raises(Exception, match=str(refusal.status)):
        run(as_itself(world, ROBOT, PrivateKey(MACHINE_KEY)))

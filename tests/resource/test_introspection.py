"""Opaque tokens: the issuer is asked, believed for a moment, and nothing passes without its answer."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from keyfob.errors import Malformed, Misuse, Unreachable
from keyfob.guard import Denial, Guard, Introspection, Policy, Principal
from keyfob.jose.keys import KeySet, SigningKey
from keyfob.jose.tokens import believe, take_apart
from keyfob.protocol.client_authentication import Credentials
from keyfob.protocol.fields import read_form
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.introspection import IntrospectionRequest
from keyfob.protocol.secret import Secret
from keyfob.testing.example_tenant import ORDERS, SECRET
from keyfob.testing.flawed_tokens import TokenMaker
from tests.server.wires import body_of, scene_of, token

from .conftest import AUDIENCE, ISSUER, NOW
from .scenes import call, challenge_of, error_of

OPAQUE = Secret("2YotnFZFEjr1zCsicMWpAA")
SETTINGS = Introspection("api", Secret("api-secret"))
LIVES: dict[str, object] = {
    "active": True,
    "iss": ISSUER,
    "sub": "auth0|person",
    "aud": AUDIENCE,
    "client_id": "program",
    "scope": "read:orders write:orders",
    "token_type": "Bearer",
    "exp": int(NOW.timestamp()) + 3600,
    "iat": int(NOW.timestamp()),
}


class Asked:
    """An issuer that answers about tokens and keeps what it was asked."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.now = NOW

    def __call__(self, request: Request) -> Response:
        if request.method == "GET":
            found = {"issuer": ISSUER, "token_endpoint": ISSUER + "t", "introspection_endpoint": ISSUER + "introspect"}
            return json_response(200, found)
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, Response) else json_response(200, dict(self.answer))  # type: ignore[call-overload]

    def clock(self) -> datetime:
        return self.now

    def guard(self, settings: Introspection = SETTINGS, **more: object) -> Guard:
        ways: dict[str, object] = {"send": self, "clock": self.clock, "introspection": settings, **more}
        return Guard(issuer=ISSUER, audience=AUDIENCE, **ways)  # type: ignore[arg-type]


def saying(**changed: object) -> dict[str, object]:
    return {name: value for name, value in {**LIVES, **changed}.items() if value is not None}


def test_the_issuer_says_who_calls() -> None:
    """[RS-7662-01]."""
    found = Asked(LIVES).guard().check(call(OPAQUE), "read:orders")
    assert isinstance(found, Principal)
    assert (found.subject, found.client_id, found.issuer) == ("auth0|person", "program", ISSUER)
    assert not found.is_machine
    assert found.claims["active"] is True


def test_the_api_shows_who_it_is_and_sends_the_token_in_the_body() -> None:
    """[RS-7662-03]."""
    asked = Asked(LIVES)
    asked.guard().check(call(OPAQUE))
    (request,) = asked.requests
    assert (request.method, request.url) == ("POST", ISSUER + "introspect")
    form = read_form(request.body, "introspection")
    assert IntrospectionRequest.read(form) == IntrospectionRequest(OPAQUE)
    shown = Credentials.read(request.header("authorization"), form)
    assert (shown.method, shown.client_id, shown.proof) == ("client_secret_basic", "api", Secret("api-secret"))


def test_the_secret_may_go_in_the_body() -> None:
    """[RS-7662-03]."""
    asked = Asked(LIVES)
    asked.guard(Introspection("api", Secret("s"), in_body=True)).check(call(OPAQUE))
    shown = Credentials.read(None, read_form(asked.requests[0].body, "introspection"))
    assert (shown.method, shown.proof) == ("client_secret_post", Secret("s"))


def test_an_api_may_prove_itself_with_a_key() -> None:
    """[RS-7662-03]."""
    key, asked = SigningKey.generate("ES256"), Asked(LIVES)
    assert isinstance(asked.guard(Introspection("api", key)).check(call(OPAQUE)), Principal)
    shown = Credentials.read(None, read_form(asked.requests[0].body, "introspection"))
    assert shown.proof is not None
    claims = believe(take_apart(shown.proof), KeySet((key.public_key(),)).keys[0]).values
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("api", "api", ISSUER)
    assert claims["exp"] == int(NOW.timestamp()) + 60


def test_a_fixed_endpoint_is_asked_without_metadata() -> None:
    asked = Asked(LIVES)
    found = asked.guard(Introspection("api", Secret("s"), endpoint="https://other.example/i")).check(call(OPAQUE))
    assert isinstance(found, Principal)
    assert asked.requests[0].url == "https://other.example/i"


@pytest.mark.parametrize(
    "changed",
    [
        {"active": False},
        {"aud": "https://elsewhere.example/"},
        {"aud": ["https://elsewhere.example/"]},
        {"aud": None},
        {"iss": "https://elsewhere.example/"},
        {"exp": int(NOW.timestamp()) - 31},
        {"nbf": int(NOW.timestamp()) + 31},
        {"iat": int(NOW.timestamp()) + 31},
        {"token_type": "refresh_token"},
        {"token_type": "DPoP"},
        {"cnf": {"jkt": "x"}},
        {"cnf": {"x5t#S256": "x"}},
        {"sub": None, "client_id": None},
    ],
)
def test_a_token_that_lives_is_still_looked_at(changed: dict[str, object]) -> None:
    """[RS-7662-01]."""
    found = Asked(saying(**changed)).guard().check(call(OPAQUE))
    assert error_of(found) == (401, "invalid_token")


def test_a_live_token_without_the_scope_is_forbidden() -> None:
    """[RS-7662-01] [RS-6750-05]."""
    assert error_of(Asked(LIVES).guard().check(call(OPAQUE), "delete:orders")) == (403, "insufficient_scope")


@pytest.mark.parametrize(
    "answer",
    [
        saying(active="true"),
        saying(active=1),
        saying(active=None),
        {},
        saying(exp="soon"),
        saying(scope=7),
        saying(cnf="x"),
        Response(200, (("content-type", "text/html"),), b"<html>"),
        Response(200, (("content-type", "application/json"),), b"<html>"),
        Response(200, (), b"[]"),
        Response(401, (("content-type", "application/json"),), b'{"error":"invalid_client"}'),
        Response(500),
        Response(302, (("location", "https://evil.example/"),)),
        Unreachable("silent"),
        Malformed("too long"),
    ],
)
def test_without_a_usable_answer_nothing_passes_and_no_token_is_blamed(answer: object) -> None:
    """[RS-ASVS-02] [RS-7662-01]."""
    asked = Asked(answer)
    guard = asked.guard()
    found = guard.check(call(OPAQUE))
    assert error_of(found) == (503, "temporarily_unavailable")
    asked.answer = LIVES
    assert isinstance(guard.check(call(OPAQUE)), Principal), "trouble is not remembered"


@pytest.mark.parametrize("metadata", [{}, {"introspection_endpoint": "http://login.example/introspect"}])
def test_an_issuer_that_cannot_be_asked_safely_is_not_asked(metadata: dict[str, str]) -> None:
    """[RS-7662-03]."""
    asked: list[Request] = []

    def send(request: Request) -> Response:
        asked.append(request)
        return json_response(200, {"issuer": ISSUER, "token_endpoint": ISSUER + "t", **metadata})

    guard = Guard(issuer=ISSUER, audience=AUDIENCE, send=send, clock=lambda: NOW, introspection=SETTINGS)
    assert error_of(guard.check(call(OPAQUE))) == (503, "temporarily_unavailable")
    assert all(request.method == "GET" for request in asked)


def test_an_answer_is_believed_for_a_moment_and_a_revoked_token_ends_with_it() -> None:
    """[RS-7662-02]."""
    asked = Asked(LIVES)
    guard = asked.guard()
    for _ in range(3):
        assert isinstance(guard.check(call(OPAQUE)), Principal)
    assert len(asked.requests) == 1
    asked.answer = {"active": False}
    asked.now += timedelta(seconds=29)
    assert isinstance(guard.check(call(OPAQUE)), Principal)
    asked.now += timedelta(seconds=1)
    assert error_of(guard.check(call(OPAQUE))) == (401, "invalid_token")


def test_no_answer_is_believed_beyond_the_tokens_end() -> None:
    """[RS-7662-02]."""
    asked = Asked(saying(exp=int(NOW.timestamp()) + 10))
    guard = asked.guard()
    assert isinstance(guard.check(call(OPAQUE)), Principal)
    asked.now += timedelta(seconds=10)
    assert isinstance(guard.check(call(OPAQUE)), Principal), "the leeway of thirty seconds"
    assert len(asked.requests) == 2
    asked.now += timedelta(seconds=30)
    assert error_of(guard.check(call(OPAQUE))) == (401, "invalid_token")


def test_a_token_of_unknown_end_is_asked_about_again_soon() -> None:
    """[RS-7662-02]."""
    asked = Asked(saying(exp=None))
    guard = asked.guard()
    found = guard.check(call(OPAQUE))
    assert isinstance(found, Principal)
    assert found.expires_at == NOW + timedelta(seconds=30)
    asked.now += timedelta(seconds=30)
    assert isinstance(guard.check(call(OPAQUE)), Principal)
    assert len(asked.requests) == 2


def test_dead_tokens_are_remembered_too_and_never_more_than_agreed() -> None:
    """[RS-7662-02]: whoever makes up tokens pushes out no good one."""
    asked = Asked(LIVES)
    guard = asked.guard(Introspection("api", Secret("s"), most=10))
    assert isinstance(guard.check(call(OPAQUE)), Principal)
    asked.answer = {"active": False}
    for number in range(100):
        assert isinstance(guard.check(call(Secret(f"made-up-{number}"))), Denial)
    assert len(asked.requests) == 101
    assert isinstance(guard.check(call(Secret("made-up-99"))), Denial)
    assert isinstance(guard.check(call(OPAQUE)), Principal)
    assert len(asked.requests) == 101
    introspector = guard._verifier._introspector
    assert introspector is not None
    assert len(introspector._inactive) <= 10


def test_many_callers_with_one_token_ask_once() -> None:
    gate, go_on = threading.Barrier(8), threading.Event()
    asked = Asked(LIVES)

    def send(request: Request) -> Response:
        assert go_on.wait(10)
        return asked(request)

    guard = Guard(issuer=ISSUER, audience=AUDIENCE, send=send, clock=lambda: NOW, introspection=SETTINGS)

    def one(_: int) -> Principal | Denial:
        gate.wait(10)
        return guard.check(call(OPAQUE))

    with ThreadPoolExecutor(9) as pool:
        found = [pool.submit(one, number) for number in range(8)]
        go_on.set()
        assert all(isinstance(each.result(10), Principal) for each in found)

    async def together() -> list[Principal | Denial]:
        return await asyncio.gather(*(guard.check_async(call(Secret("another"))) for _ in range(8)))

    assert all(isinstance(each, Principal) for each in asyncio.run(together()))
    assert len(asked.requests) <= 3, "eight at once, and one that came too late for the first"


def test_a_jwt_is_verified_here_unless_every_token_is_asked_about(mint: TokenMaker) -> None:
    asked = Asked(LIVES)
    assert error_of(asked.guard().check(call(mint.good()))) == (503, "temporarily_unavailable"), (
        "its keys are asked for"
    )
    assert not asked.requests
    every = Introspection("api", Secret("s"), every=True)
    assert isinstance(asked.guard(every).check(call(mint.good())), Principal)
    assert len(asked.requests) == 1


def test_without_introspection_an_opaque_token_is_refused_and_nobody_asked() -> None:
    asked = Asked(LIVES)
    guard = Guard(issuer=ISSUER, audience=AUDIENCE, send=asked, clock=lambda: NOW)
    assert error_of(guard.check(call(OPAQUE))) == (401, "invalid_token")
    assert not asked.requests


def test_an_answer_that_names_no_audience_may_be_taken_on_purpose() -> None:
    asked = Asked(saying(aud=None))
    loose = Introspection("api", Secret("s"), needs_audience=False)
    assert isinstance(asked.guard(loose).check(call(OPAQUE)), Principal)
    asked.answer = saying(aud="https://elsewhere.example/")
    assert error_of(asked.guard(loose).check(call(OPAQUE))) == (401, "invalid_token")


def test_a_program_that_calls_for_itself_may_have_no_subject() -> None:
    """[RS-ASVS-01]."""
    found = Asked(saying(sub=None)).guard().check(call(OPAQUE))
    assert isinstance(found, Principal)
    assert found.is_machine
    assert found.subject == "program"


def test_claims_that_the_api_asks_for_are_looked_for_in_the_answer() -> None:
    policy = Policy(ISSUER, AUDIENCE, required=("org_id",))
    for said, passes in ((LIVES, False), (saying(org_id="acme"), True)):
        guard = Guard(policy, send=Asked(said), clock=lambda: NOW, introspection=SETTINGS)
        assert isinstance(guard.check(call(OPAQUE)), Principal) is passes


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": ""},
        {"endpoint": "http://login.example/i"},
        {"life": timedelta(hours=1)},
        {"life": timedelta(seconds=-1)},
        {"most": -1},
    ],
)
def test_introspection_that_could_never_be_safe_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Misuse):
        Introspection(**{"client_id": "api", "credential": Secret("s"), **wrong})  # type: ignore[arg-type]
    with pytest.raises(Misuse):
        Asked(LIVES).guard(Introspection("api", Secret("s"), issuer="https://elsewhere.example/"))


def test_nothing_of_token_or_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """[RS-9700-02]."""
    with caplog.at_level(logging.DEBUG):
        found = Asked(Response(500)).guard().check(call(OPAQUE))
    assert error_of(found)[0] == 503
    assert caplog.records
    assert OPAQUE.reveal() not in caplog.text
    assert "api-secret" not in caplog.text + repr(SETTINGS)


def test_a_tenant_of_ours_is_asked_about_its_tokens() -> None:
    """[RS-7662-01] [RS-7662-03]: the message is written and read by the same class at both ends."""
    scene = scene_of(introspection=True)
    asked = {"grant_type": "client_credentials", "client_id": "machine", "client_secret": SECRET.reveal()}
    shown = Secret(str(body_of(token(scene, audience=ORDERS, **asked))["access_token"]))

    def guard(secret: Secret) -> Guard:
        ways = Introspection("machine", secret, every=True, in_body=True)
        return Guard(
            issuer=scene.config.issuer,
            audience=ORDERS,
            send=scene.pair.send,
            clock=scene.time.now,
            introspection=ways,
        )

    found = guard(SECRET).check(call(shown))
    assert isinstance(found, Principal)
    assert found.is_machine
    assert error_of(guard(SECRET).check(call(OPAQUE))) == (401, "invalid_token")
    assert error_of(guard(Secret("wrong")).check(call(shown))) == (503, "temporarily_unavailable")


def test_the_challenge_of_a_dead_token_says_so_and_nothing_of_it() -> None:
    """[RS-6750-04]."""
    challenge = challenge_of(Asked({"active": False}).guard().check(call(OPAQUE)))
    assert challenge.parameters["error"] == "invalid_token"
    assert OPAQUE.reveal() not in challenge.write()

"""The guard as an API sees it: requests in, principals and challenges out."""

import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from keyfob.errors import Misuse
from keyfob.guard import Denial, Guard, Policy, Principal, require
from keyfob.jose.tokens import sign
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.resource.challenges import ChallengeSettings
from keyfob.resource.io.keys import IssuerKeys
from keyfob.resource.judge import PresentedToken, TrustedIssuer, Verifier, read_token
from keyfob.testing.flawed_tokens import FLAWS, TokenMaker, sign_with_own_key
from keyfob.testing.orders import api

from .conftest import AUDIENCE, ISSUER, NOW
from .scenes import READ, Issuer, Steady, call, challenge_of, error_of, verifier_of


@pytest.fixture
def issuer(mint: TokenMaker) -> Issuer:
    return Issuer(mint.key)


@pytest.fixture
def steady() -> Steady:
    return Steady()


@pytest.fixture
def verifier(issuer: Issuer, steady: Steady) -> Verifier:
    return verifier_of(issuer, steady)


def test_a_good_token_passes_and_keys_are_fetched_once(mint: TokenMaker, issuer: Issuer, verifier: Verifier) -> None:
    for _ in range(3):
        assert isinstance(verifier.check(call(mint.good()), READ), Principal)
    assert issuer.key_fetches == 1


def test_no_token_gets_a_challenge_without_an_error(verifier: Verifier) -> None:
    """[RS-6750-03]."""
    found = verifier.check(call(None), READ)
    challenge = challenge_of(found)
    assert isinstance(found, Denial)
    assert found.status == 401
    assert challenge.scheme == "Bearer"
    assert challenge.parameters == {"realm": "api", "scope": "read:orders"}


def test_a_token_in_the_query_counts_as_none(mint: TokenMaker, verifier: Verifier) -> None:
    """[RS-9700-01]."""
    found = verifier.check(Request("GET", f"/orders?access_token={mint.good().reveal()}"), READ)
    assert isinstance(found, Denial)
    assert found.status == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_read_in_any_case(mint: TokenMaker, verifier: Verifier, scheme: str) -> None:
    """[RS-6750-01]."""
    request = Request("GET", "/orders", (("authorization", f"{scheme} {mint.good().reveal()}"),))
    assert isinstance(verifier.check(request, READ), Principal)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer \x00", "Bearer a,b", "Bearerabc"])
def test_a_malformed_header_is_a_bad_request(verifier: Verifier, header: str) -> None:
    """[RS-6750-02] [RS-6750-04]."""
    found = verifier.check(Request("GET", "/orders", (("authorization", header),)), READ)
    assert isinstance(found, Denial)
    assert (found.status, found.error) == (400, "invalid_request")
    assert challenge_of(found).scheme == "Bearer"


@given(st.one_of(st.text("aZ09-._~+/= ,\t\n?é", max_size=12), st.text(max_size=8)))
@example("  ab== ")
@example(" =")
@example(" é")
def test_what_follows_the_scheme_is_one_token_or_a_malformed_header(rest: str) -> None:
    """[RS-6750-02]: the grammar of RFC 9110 §11.2, however it is looked for."""
    grammar = re.fullmatch(r" +([A-Za-z0-9\-._~+/]+=*) *", rest, re.ASCII)
    found = read_token(Request("GET", "/", (("authorization", f"Bearer{rest}"),)), ChallengeSettings())

    if grammar is not None:
        assert isinstance(found, PresentedToken)
        assert found.token.reveal() == grammar[1]
    else:
        assert isinstance(found, Denial)
        assert found.status == 400


def test_two_headers_are_a_bad_request(mint: TokenMaker, verifier: Verifier) -> None:
    """[RS-6750-02]."""
    found = verifier.check(call(mint.good(), ("authorization", "Bearer other")), READ)
    assert isinstance(found, Denial)
    assert found.status == 400
    assert challenge_of(found).scheme == "Bearer"
    twice = Request("GET", "/", (("authorization", "DPoP a"), ("authorization", "DPoP b")))
    found = read_token(twice, ChallengeSettings(proof_algorithms=("ES256",), proof_required=True))
    assert isinstance(found, Denial)
    assert challenge_of(found).scheme == "DPoP"


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flawed_token_gets_invalid_token_and_nothing_of_it_back(
    mint: TokenMaker, verifier: Verifier, flaw: str
) -> None:
    """[RS-6750-04] [RS-6750-06]."""
    token = FLAWS[flaw](mint)
    found = verifier.check(call(token), READ)
    assert isinstance(found, Denial)
    if found.status == 401:
        assert challenge_of(found).parameters["error"] == "invalid_token"
        assert token.reveal() not in str(found.response())
    else:
        assert found.status == 400, "a token that is no token68 is a malformed request"


def test_a_token_that_brings_its_own_key_makes_nobody_ask_elsewhere(
    mint: TokenMaker, issuer: Issuer, verifier: Verifier
) -> None:
    """[RS-8725-02]: jwk, jku, x5u and x5c."""
    asked: list[str] = []

    def send(request: Request) -> Response:
        asked.append(request.url)
        return issuer(request)

    verifier = Verifier(
        [TrustedIssuer(Policy(ISSUER, AUDIENCE), IssuerKeys(ISSUER, send, Steady()))], clock=lambda: NOW
    )
    assert error_of(verifier.check(call(sign_with_own_key(mint)), READ)) == (401, "invalid_token")
    assert asked
    assert all(address.startswith(ISSUER) for address in asked)


def test_too_little_scope_is_forbidden_and_named(mint: TokenMaker, verifier: Verifier) -> None:
    """[RS-6750-05]."""
    found = verifier.check(call(mint.good()), (require("read:orders", "write:orders"),))
    challenge = challenge_of(found)
    assert isinstance(found, Denial)
    assert found.status == 403
    assert challenge.parameters["error"] == "insufficient_scope"
    assert challenge.parameters["scope"] == "read:orders write:orders"


def test_made_up_keys_cause_one_fetch_in_a_cool_down(
    mint: TokenMaker, issuer: Issuer, verifier: Verifier, steady: Steady
) -> None:
    """[RS-OIDC-01]."""
    for number in range(1000):
        foreign = mint.of(mint.claims(), key=replace(mint.other_key, key_id=str(number)))
        assert isinstance(verifier.check(call(foreign), READ), Denial)
    assert issuer.key_fetches == 1
    steady.at += timedelta(seconds=30)
    assert isinstance(verifier.check(call(mint.of(mint.claims(), key=mint.other_key)), READ), Denial)
    assert issuer.key_fetches == 2


def test_a_new_key_is_found_after_the_cool_down(
    mint: TokenMaker, issuer: Issuer, verifier: Verifier, steady: Steady
) -> None:
    """[RS-OIDC-01]."""
    assert isinstance(verifier.check(call(mint.good()), READ), Principal)
    issuer.keys.append(mint.other_key)
    steady.at += timedelta(seconds=31)
    assert isinstance(verifier.check(call(mint.of(mint.claims(), key=mint.other_key)), READ), Principal)


def test_known_keys_go_on_while_the_issuer_is_silent(
    mint: TokenMaker, issuer: Issuer, verifier: Verifier, steady: Steady
) -> None:
    """[RS-IMPL-01]."""
    assert isinstance(verifier.check(call(mint.good()), READ), Principal)
    issuer.silent = True
    steady.at += timedelta(hours=1)
    assert isinstance(verifier.check(call(mint.good()), READ), Principal)
    steady.at += timedelta(days=2)
    found = verifier.check(call(mint.good()), READ)
    assert isinstance(found, Denial)
    assert found.status == 503


@pytest.mark.parametrize("trouble", ["silent", "another issuer"])
def test_without_keys_nothing_passes_and_no_token_is_blamed(
    mint: TokenMaker, issuer: Issuer, verifier: Verifier, trouble: str
) -> None:
    """[RS-ASVS-02]."""
    issuer.silent = trouble == "silent"
    issuer.issuer = "https://other.example/" if trouble == "another issuer" else ISSUER
    found = verifier.check(call(mint.good()), READ)
    assert isinstance(found, Denial)
    assert (found.status, found.challenges) == (503, ())
    assert found.description == "The issuer's keys cannot be fetched."
    assert found.response().header("retry-after") == "5"


def test_a_key_that_is_not_found_while_the_issuer_is_silent_is_not_blamed_on_the_token(
    mint: TokenMaker, issuer: Issuer, verifier: Verifier, steady: Steady
) -> None:
    """[RS-ASVS-02]: nobody knows whether that key exists."""
    assert isinstance(verifier.check(call(mint.good()), READ), Principal)
    issuer.silent = True
    steady.at += timedelta(seconds=31)
    unknown = mint.of(mint.claims(), key=mint.other_key)
    assert error_of(verifier.check(call(unknown), READ)) == (503, "temporarily_unavailable")
    issuer.silent = False
    steady.at += timedelta(seconds=31)
    assert error_of(verifier.check(call(unknown), READ)) == (401, "invalid_token")


def test_the_same_made_up_key_is_asked_about_once_in_a_minute(
    mint: TokenMaker, issuer: Issuer, verifier: Verifier, steady: Steady
) -> None:
    """[RS-OIDC-01]: the negative cache."""
    made_up = mint.of(mint.claims(), key=mint.other_key)
    verifier.check(call(mint.good()), READ)
    for seconds in range(0, 300, 5):
        steady.at += timedelta(seconds=5)
        assert error_of(verifier.check(call(made_up), READ)) == (401, "invalid_token")
        assert issuer.key_fetches <= 2 + seconds // 60


def test_keys_are_kept_as_long_as_the_issuer_says(
    mint: TokenMaker, issuer: Issuer, verifier: Verifier, steady: Steady
) -> None:
    """[RS-IMPL-01]."""
    issuer.cache_control = "public, max-age=120"
    for after, fetches in ((0, 1), (119, 1), (1, 2), (119, 2)):
        steady.at += timedelta(seconds=after)
        assert isinstance(verifier.check(call(mint.good()), READ), Principal)
        assert issuer.key_fetches == fetches


def test_a_key_that_its_issuer_took_back_opens_nothing_more(
    mint: TokenMaker, issuer: Issuer, verifier: Verifier, steady: Steady
) -> None:
    assert isinstance(verifier.check(call(mint.good()), READ), Principal)
    issuer.keys = [mint.other_key]
    steady.at += timedelta(minutes=11)
    assert error_of(verifier.check(call(mint.good()), READ)) == (401, "invalid_token")


def test_a_token_that_names_no_key_is_tried_with_the_only_one(mint: TokenMaker, verifier: Verifier) -> None:
    """[RS-IMPL-01]."""
    plain = sign(mint.claims().write("auth0"), mint.key, token_type="JWT", header={})
    assert isinstance(verifier.check(call(plain), READ), Principal)


def test_keys_that_moved_are_found_again(mint: TokenMaker, issuer: Issuer, steady: Steady) -> None:
    moved: list[str] = []

    def send(request: Request) -> Response:
        if request.path == "/jwks.json" and moved:
            return Response(410)
        response = issuer(Request(request.method, request.url.replace("new/", "")))
        if not moved or "jwks" in request.path:
            return response
        return Response(200, response.headers, response.body.replace(b"jwks.json", b"new/jwks.json"))

    verifier = Verifier([TrustedIssuer(Policy(ISSUER, AUDIENCE), IssuerKeys(ISSUER, send, steady))], clock=lambda: NOW)
    assert isinstance(verifier.check(call(mint.good()), READ), Principal)
    moved.append("yes")
    issuer.keys.append(mint.other_key)
    new = mint.of(mint.claims(), key=mint.other_key)
    steady.at += timedelta(minutes=11)
    assert isinstance(verifier.check(call(mint.good()), READ), Principal)
    steady.at += timedelta(seconds=31)
    assert isinstance(verifier.check(call(new), READ), Principal)


def test_callers_whose_key_is_known_do_not_wait_for_a_slow_issuer(
    mint: TokenMaker, issuer: Issuer, steady: Steady
) -> None:
    """A fetch that is under way holds up nobody but the one who does it, and those whose key it may bring."""
    asked, go_on = threading.Event(), threading.Event()

    def send(request: Request) -> Response:
        if steady.at > timedelta(days=1):
            asked.set()
            assert go_on.wait(10)
        return issuer(request)

    verifier = Verifier([TrustedIssuer(Policy(ISSUER, AUDIENCE), IssuerKeys(ISSUER, send, steady))], clock=lambda: NOW)
    verifier.check(call(mint.good()), READ)
    steady.at += timedelta(minutes=11)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(verifier.check, call(mint.good()), READ)
        assert asked.wait(10)
        assert isinstance(verifier.check(call(mint.good()), READ), Principal)
        assert not slow.done()
        go_on.set()
        assert isinstance(slow.result(10), Principal)


def test_a_caller_who_gives_up_does_not_take_the_others_along(mint: TokenMaker, issuer: Issuer, steady: Steady) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def send(request: Request) -> Response:
        asked.set()
        assert go_on.wait(10)
        return issuer(request)

    verifier = Verifier([TrustedIssuer(Policy(ISSUER, AUDIENCE), IssuerKeys(ISSUER, send, steady))], clock=lambda: NOW)

    async def both() -> Principal | Denial:
        first = asyncio.create_task(verifier.check_async(call(mint.good()), READ))
        second = asyncio.create_task(verifier.check_async(call(mint.good()), READ))
        await asyncio.to_thread(asked.wait, 10)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go_on.set()
        return await second

    assert isinstance(asyncio.run(both()), Principal)
    assert issuer.key_fetches == 1


def test_what_goes_wrong_in_a_fetch_that_nobody_foresaw_reaches_all_who_wait(mint: TokenMaker, steady: Steady) -> None:
    def send(_: Request) -> Response:
        raise ZeroDivisionError

    verifier = Verifier([TrustedIssuer(Policy(ISSUER, AUDIENCE), IssuerKeys(ISSUER, send, steady))], clock=lambda: NOW)
    with pytest.raises(ZeroDivisionError):
        verifier.check(call(mint.good()), READ)
    steady.at += timedelta(minutes=1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(verifier.check_async(call(mint.good()), READ))
    assert error_of(verifier.check(call(mint.good()), READ)) == (503, "temporarily_unavailable")


def test_an_issuer_that_knows_only_rfc_8414_is_found(mint: TokenMaker, issuer: Issuer) -> None:
    def send(request: Request) -> Response:
        return Response(404) if "openid" in request.url else issuer(request)

    guard = Guard(issuer=ISSUER, audience=AUDIENCE, send=send, clock=lambda: NOW)
    assert isinstance(guard.check(call(mint.good())), Principal)
    nothing = Guard(issuer=ISSUER, audience=AUDIENCE, send=lambda _: Response(404), clock=lambda: NOW)
    assert error_of(nothing.check(call(mint.good()))) == (503, "temporarily_unavailable")


def test_a_loop_that_shuts_down_leaves_nobody_waiting(mint: TokenMaker, issuer: Issuer, verifier: Verifier) -> None:
    async def late() -> Principal | Denial:
        await asyncio.get_running_loop().shutdown_default_executor()
        return await verifier.check_async(call(mint.good()), READ)

    assert isinstance(asyncio.run(late()), Principal)
    assert isinstance(verifier.check(call(mint.good()), READ), Principal)
    assert issuer.key_fetches == 1


def test_many_threads_share_one_fetch(mint: TokenMaker, issuer: Issuer, steady: Steady) -> None:
    gate = threading.Barrier(8)
    verifier = verifier_of(issuer, steady)

    def one(_: int) -> bool:
        gate.wait(10)
        return isinstance(verifier.check(call(mint.good()), READ), Principal)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(8)))
    assert issuer.key_fetches == 1


def test_the_async_check_says_the_same(mint: TokenMaker, verifier: Verifier) -> None:
    async def both() -> tuple[Principal | Denial, Principal | Denial]:
        return await verifier.check_async(call(mint.good()), READ), await verifier.check_async(call(None), READ)

    passed, denied = asyncio.run(both())
    assert isinstance(passed, Principal)
    assert isinstance(denied, Denial)


@pytest.fixture
def guard(issuer: Issuer) -> Guard:
    return Guard(issuer=ISSUER, audience=AUDIENCE, send=issuer, clock=lambda: NOW)


def test_the_demo_api_opens_to_a_good_token_only(mint: TokenMaker, guard: Guard) -> None:
    client = TestClient(api(guard))
    good = {"authorization": f"Bearer {mint.good().reveal()}"}
    assert client.get("/orders", headers=good).json()["asked_by"] == "auth0|person"
    assert client.get("/other", headers=good).status_code == 404
    refused = client.get("/orders")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="api", scope="read:orders"'


def test_the_fastapi_dependency_gives_the_principal_or_the_challenge(mint: TokenMaker, guard: Guard) -> None:
    app = FastAPI()

    @app.get("/me")
    async def me(principal: Annotated[Principal, Depends(guard.requires("read:orders"))]) -> dict[str, str]:
        return {"sub": principal.subject}

    client = TestClient(app)
    assert client.get("/me", headers={"authorization": f"Bearer {mint.good().reveal()}"}).json() == {
        "sub": "auth0|person"
    }
    refused = client.get("/me", headers={"authorization": "Bearer rubbish"})
    assert refused.status_code == 401
    assert Challenge.read_all([refused.headers["www-authenticate"]])[0].parameters["error"] == "invalid_token"


def test_a_denial_is_a_json_answer_that_no_cache_keeps(verifier: Verifier) -> None:
    """[RS-9700-02]."""
    found = verifier.check(call(Secret("rubbish")), READ)
    assert isinstance(found, Denial)
    response = found.response()
    assert response.header("cache-control") == "no-store"
    assert json.loads(response.body)["error"] == "invalid_token"


@pytest.mark.parametrize("address", ["http://login.example/jwks.json", "http://192.0.2.1/jwks.json"])
def test_keys_are_never_fetched_in_clear(mint: TokenMaker, address: str) -> None:
    """[RS-IMPL-01]: whoever is on the way could put in a key of their own."""
    asked: list[str] = []

    def send(request: Request) -> Response:
        asked.append(request.url)
        if request.url == address:
            return json_response(200, {"keys": [mint.key.public_jwk()]})
        return json_response(200, {"issuer": ISSUER, "token_endpoint": ISSUER + "t", "jwks_uri": address})

    found = Guard(issuer=ISSUER, audience=AUDIENCE, send=send, clock=lambda: NOW).check(call(mint.good()))
    assert isinstance(found, Denial)
    assert found.status == 503
    assert address not in asked


def test_an_issuer_in_clear_beyond_this_machine_is_no_issuer() -> None:
    with pytest.raises(Misuse):
        Guard(issuer="http://login.example/", audience=AUDIENCE)
    Guard(issuer="http://127.0.0.1:8790/", audience=AUDIENCE)

"""The guard as an API sees it: requests in, principals and challenges out."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient

from keyfob.errors import Misuse, Unreachable
from keyfob.guard import Denial, Guard, Policy, Principal, require
from keyfob.jose.keys import SigningKey
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.resource.io.guard import Judge, Trust
from keyfob.resource.io.keys import IssuerKeys
from keyfob.testing.flawed_tokens import FLAWS, Mint
from keyfob.testing.orders import api

from .conftest import AUDIENCE, ISSUER, NOW

READ = (require("read:orders"),)


def test_a_good_token_passes_and_keys_are_fetched_once(mint: Mint, issuer: Issuer, judge: Judge) -> None:
    for _ in range(3):
        assert isinstance(judge.check(call(mint.good()), READ), Principal)
    assert issuer.key_fetches == 1


def test_no_token_gets_a_challenge_without_an_error(judge: Judge) -> None:
    """[RS-6750-03]."""
    found = judge.check(call(None), READ)
    challenge = challenge_of(found)
    assert isinstance(found, Denial)
    assert found.status == 401
    assert challenge.scheme == "Bearer"
    assert challenge.parameters == {"realm": "api", "scope": "read:orders"}


def test_a_token_in_the_query_counts_as_none(mint: Mint, judge: Judge) -> None:
    """[RS-9700-01]."""
    found = judge.check(Request("GET", f"/orders?access_token={mint.good().reveal()}"), READ)
    assert isinstance(found, Denial)
    assert found.status == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_read_in_any_case(mint: Mint, judge: Judge, scheme: str) -> None:
    """[RS-6750-01]."""
    request = Request("GET", "/orders", (("authorization", f"{scheme} {mint.good().reveal()}"),))
    assert isinstance(judge.check(request, READ), Principal)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer \x00", "Bearer a,b", "Bearerabc"])
def test_a_malformed_header_is_a_bad_request(judge: Judge, header: str) -> None:
    """[RS-6750-02] [RS-6750-04]."""
    found = judge.check(Request("GET", "/orders", (("authorization", header),)), READ)
    assert isinstance(found, Denial)
    assert (found.status, found.error) == (400, "invalid_request")


def test_two_headers_are_a_bad_request(mint: Mint, judge: Judge) -> None:
    """[RS-6750-02]."""
    found = judge.check(call(mint.good(), ("authorization", "Bearer other")), READ)
    assert isinstance(found, Denial)
    assert found.status == 400


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flawed_token_gets_invalid_token_and_nothing_of_it_back(mint: Mint, judge: Judge, flaw: str) -> None:
    """[RS-6750-04] [RS-6750-06]."""
    token = FLAWS[flaw](mint)
    found = judge.check(call(token), READ)
    assert isinstance(found, Denial)
    if found.status == 401:
        assert challenge_of(found).parameters["error"] == "invalid_token"
        assert token.reveal() not in str(found.response())
    else:
        assert found.status == 400, "a token that is no token68 is a malformed request"


def test_too_little_scope_is_forbidden_and_named(mint: Mint, judge: Judge) -> None:
    """[RS-6750-05]."""
    found = judge.check(call(mint.good()), (require("read:orders", "write:orders"),))
    challenge = challenge_of(found)
    assert isinstance(found, Denial)
    assert found.status == 403
    assert challenge.parameters["error"] == "insufficient_scope"
    assert challenge.parameters["scope"] == "read:orders write:orders"


def test_made_up_keys_cause_one_fetch_in_a_cool_down(mint: Mint, issuer: Issuer, judge: Judge, steady: Steady) -> None:
    """[RS-OIDC-01]."""
    for number in range(1000):
        foreign = mint.of(mint.claims(), key=replace(mint.other_key, key_id=str(number)))
        assert isinstance(judge.check(call(foreign), READ), Denial)
    assert issuer.key_fetches == 1
    steady.at += timedelta(seconds=30)
    assert isinstance(judge.check(call(mint.of(mint.claims(), key=mint.other_key)), READ), Denial)
    assert issuer.key_fetches == 2


def test_a_new_key_is_found_after_the_cool_down(mint: Mint, issuer: Issuer, judge: Judge, steady: Steady) -> None:
    """[RS-OIDC-01]."""
    assert isinstance(judge.check(call(mint.good()), READ), Principal)
    issuer.keys.append(mint.other_key)
    steady.at += timedelta(seconds=31)
    assert isinstance(judge.check(call(mint.of(mint.claims(), key=mint.other_key)), READ), Principal)


def test_known_keys_go_on_while_the_issuer_is_silent(mint: Mint, issuer: Issuer, judge: Judge, steady: Steady) -> None:
    """[RS-IMPL-01]."""
    assert isinstance(judge.check(call(mint.good()), READ), Principal)
    issuer.silent = True
    steady.at += timedelta(hours=1)
    assert isinstance(judge.check(call(mint.good()), READ), Principal)
    steady.at += timedelta(days=2)
    found = judge.check(call(mint.good()), READ)
    assert isinstance(found, Denial)
    assert found.status == 503


@pytest.mark.parametrize("trouble", ["silent", "another issuer"])
def test_without_keys_nothing_passes_and_no_token_is_blamed(
    mint: Mint, issuer: Issuer, judge: Judge, trouble: str
) -> None:
    """[RS-ASVS-02]."""
    issuer.silent = trouble == "silent"
    issuer.issuer = "https://other.example/" if trouble == "another issuer" else ISSUER
    found = judge.check(call(mint.good()), READ)
    assert isinstance(found, Denial)
    assert (found.status, found.challenges) == (503, ())
    assert found.response().header("retry-after")


def test_many_threads_share_one_fetch(mint: Mint, issuer: Issuer, steady: Steady) -> None:
    gate = threading.Barrier(8)
    judge = judge_of(issuer, steady)

    def one(_: int) -> bool:
        gate.wait(10)
        return isinstance(judge.check(call(mint.good()), READ), Principal)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(8)))
    assert issuer.key_fetches == 1


def test_the_async_check_says_the_same(mint: Mint, judge: Judge) -> None:
    async def both() -> tuple[Principal | Denial, Principal | Denial]:
        return await judge.check_async(call(mint.good()), READ), await judge.check_async(call(None), READ)

    passed, denied = asyncio.run(both())
    assert isinstance(passed, Principal)
    assert isinstance(denied, Denial)


@pytest.fixture
def guard(issuer: Issuer) -> Guard:
    return Guard(issuer=ISSUER, audience=AUDIENCE, send=issuer, clock=lambda: NOW)


def test_the_demo_api_opens_to_a_good_token_only(mint: Mint, guard: Guard) -> None:
    client = TestClient(api(guard))
    good = {"authorization": f"Bearer {mint.good().reveal()}"}
    assert client.get("/orders", headers=good).json()["asked_by"] == "auth0|person"
    assert client.get("/other", headers=good).status_code == 404
    refused = client.get("/orders")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="api", scope="read:orders"'


def test_the_fastapi_dependency_gives_the_principal_or_the_challenge(mint: Mint, guard: Guard) -> None:
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


def test_a_denial_is_a_json_answer_that_no_cache_keeps(judge: Judge) -> None:
    """[RS-9700-02]."""
    found = judge.check(call(Secret("rubbish")), READ)
    assert isinstance(found, Denial)
    response = found.response()
    assert response.header("cache-control") == "no-store"
    assert json.loads(response.body)["error"] == "invalid_token"


@pytest.mark.parametrize("address", ["http://login.example/jwks.json", "http://192.0.2.1/jwks.json"])
def test_keys_are_never_fetched_in_clear(mint: Mint, address: str) -> None:
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

"""The auth objects for httpx2, httpx, requests and aiohttp, each over real connections to an API and to a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import httpx
import httpx2
import pytest
import requests

from keyfob.client.auth.dpop import DpopKey
from keyfob.client.io.http.aiohttp_auth import AiohttpAuth
from keyfob.client.io.http.httpx2_auth import Httpx2Auth
from keyfob.client.io.http.httpx_auth import HttpxAuth
from keyfob.client.io.http.requests_auth import RequestsAuth
from keyfob.client.model.assurance import Assurance
from keyfob.client.model.step_up import StepUp
from keyfob.client.session.calls import Calls
from keyfob.errors import LoginRequired, Misuse
from keyfob.jose.keys import SigningKey
from keyfob.jose.proofs import read_proof
from keyfob.protocol.dpop import hash_of
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from tests.cli.issuer import in_turn
from tests.client.io.bearers import Tokens
from tests.loopback import Answer, Loopback, says, serving

KEY = SigningKey.generate("ES256")
INVALID = says(401, b"no", www_authenticate='Bearer error="invalid_token"')


@dataclass
class Ask:
    """One request; a body that is `streamed` can be sent once."""

    url: str
    method: str = "GET"
    body: bytes | None = None
    streamed: bool = False
    follow: bool = True
    headers: tuple[tuple[str, str], ...] = ()

    def content(self) -> bytes | Iterator[bytes] | None:
        return iter([self.body or b""]) if self.streamed else self.body


def with_httpx(calls: Calls, *asks: Ask) -> list[int]:
    with httpx.Client(auth=HttpxAuth(calls)) as client:
        return [
            client.request(
                ask.method, ask.url, content=ask.content(), follow_redirects=ask.follow, headers=list(ask.headers)
            ).status_code
            for ask in asks
        ]


def with_httpx2(calls: Calls, *asks: Ask) -> list[int]:
    with httpx2.Client(auth=Httpx2Auth(calls)) as client:
        return [
            client.request(
                ask.method, ask.url, content=ask.content(), follow_redirects=ask.follow, headers=list(ask.headers)
            ).status_code
            for ask in asks
        ]


async def dripped(body: bytes) -> AsyncIterator[bytes]:
    yield body


def with_httpx_async(calls: Calls, *asks: Ask) -> list[int]:
    async def run() -> list[int]:
        async with httpx.AsyncClient(auth=HttpxAuth(calls)) as client:
            found = []
            for ask in asks:
                content = dripped(ask.body or b"") if ask.streamed else ask.body
                answer = await client.request(
                    ask.method, ask.url, content=content, follow_redirects=ask.follow, headers=list(ask.headers)
                )
                found.append(answer.status_code)
            return found

    return asyncio.run(run())


def with_httpx2_async(calls: Calls, *asks: Ask) -> list[int]:
    async def run() -> list[int]:
        async with httpx2.AsyncClient(auth=Httpx2Auth(calls)) as client:
            found = []
            for ask in asks:
                content = dripped(ask.body or b"") if ask.streamed else ask.body
                answer = await client.request(
                    ask.method, ask.url, content=content, follow_redirects=ask.follow, headers=list(ask.headers)
                )
                found.append(answer.status_code)
            return found

    return asyncio.run(run())


def with_requests(calls: Calls, *asks: Ask) -> list[int]:
    with requests.Session() as client:
        client.auth = RequestsAuth(calls)
        return [
            client.request(
                ask.method, ask.url, data=ask.content(), allow_redirects=ask.follow, headers=dict(ask.headers)
            ).status_code
            for ask in asks
        ]


def with_aiohttp(calls: Calls, *asks: Ask) -> list[int]:
    async def run() -> list[int]:
        async with aiohttp.ClientSession(middlewares=(AiohttpAuth(calls),)) as client:
            found = []
            for ask in asks:
                data = dripped(ask.body or b"") if ask.streamed else ask.body
                async with client.request(
                    ask.method, ask.url, data=data, allow_redirects=ask.follow, headers=dict(ask.headers)
                ) as answer:
                    await answer.read()
                    found.append(answer.status)
            return found

    return asyncio.run(run())


Client = Callable[..., list[int]]
EVERY_CLIENT = pytest.mark.parametrize(
    "client", [with_httpx2, with_httpx2_async, with_httpx, with_httpx_async, with_requests, with_aiohttp]
)
BOTH_KINDS = pytest.mark.parametrize("is_bound", [False, True], ids=["Bearer", "DPoP"])


def brought(server: Loopback, name: str = "authorization") -> list[str | None]:
    return [headers.get(name) for _, _, headers, _ in server.came]


def tokens_of(*, is_bound: bool, steps_up: bool = False) -> Tokens:
    return Tokens(dpop_key=DpopKey(KEY) if is_bound else None, steps_up=steps_up)


def accepted(server: Loopback, number: int) -> bool:
    """Whether an API that wants proofs would take that request."""
    method, path, headers, _ = server.came[number]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme != "DPoP" or "dpop" not in headers:
        return False
    proof, key = read_proof(Secret(headers["dpop"]))
    is_ours = (proof.method, proof.address, proof.token_hash) == (method, f"{server.url}{path}", hash_of(Secret(token)))
    return is_ours and key == KEY.key_id


def wants_nonce(nonce: str) -> Answer:
    return says(401, www_authenticate='DPoP error="use_dpop_nonce"', dpop_nonce=nonce)


@EVERY_CLIENT
def test_a_token_goes_into_the_header_and_is_renewed_once(client: Client) -> None:
    """[C-6750-02] [C-6750-03]."""
    with serving({"/": in_turn(INVALID, says(200), INVALID)}) as api:
        assert client(Calls(Tokens()), Ask(f"{api.url}/", "POST", b"in"), Ask(f"{api.url}/")) == [200, 401]
    assert brought(api) == ["Bearer at-1", "Bearer at-2", "Bearer at-2", "Bearer at-3"]
    assert [body for *_, body in api.came] == [b"in", b"in", b"", b""]
    assert {path for _, path, _, _ in api.came} == {"/"}


@EVERY_CLIENT
@BOTH_KINDS
@pytest.mark.parametrize("status", [302, 307, 308])
def test_nothing_of_ours_follows_a_redirect_to_another_origin(client: Client, is_bound: bool, status: int) -> None:
    """[C-6750-01]: neither the token nor a proof; and a stranger's 401 is no reason to renew."""
    tokens = tokens_of(is_bound=is_bound)
    with serving({"/": INVALID}) as stranger, serving({"/": says(status, location=f"{stranger.url}/")}) as api:
        assert client(Calls(tokens), Ask(f"{api.url}/", "POST", b"in")) == [401]
    assert (brought(stranger), brought(stranger, "dpop")) == ([None], [None])
    assert (len(api.came), tokens.renewals) == (1, 0)


@EVERY_CLIENT
@BOTH_KINDS
def test_nothing_of_ours_is_sent_on_where_redirects_are_not_followed(client: Client, is_bound: bool) -> None:
    with serving({"/": says(200)}) as stranger, serving({"/": says(302, location=f"{stranger.url}/")}) as api:
        assert client(Calls(tokens_of(is_bound=is_bound)), Ask(f"{api.url}/", follow=False)) == [302]
    assert stranger.came == []


@EVERY_CLIENT
@BOTH_KINDS
@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (303, "POST"), (307, "POST")])
def test_a_redirect_within_the_origin_is_followed_with_the_token(
    client: Client, is_bound: bool, status: int, method: str
) -> None:
    """[C-9449-01] [C-9449-02]: with a proof of its own for each address."""
    final = in_turn(says(200)) if not is_bound else needs_proof
    with serving({"/": says(status, location="/there"), "/there": final}) as api:
        assert client(Calls(tokens_of(is_bound=is_bound)), Ask(f"{api.url}/", method, b"in")) == [200]
        last = len(api.came) - 1
        assert api.came[last][1] == "/there"
        assert api.came[last][2]["authorization"] == ("DPoP at-1" if is_bound else "Bearer at-1")
        assert not is_bound or (accepted(api, 0) and accepted(api, last))
    assert len([proof for proof in brought(api, "dpop") if proof]) == (2 if is_bound else 0)


def needs_proof(handler: object, body: bytes) -> None:
    headers = handler.headers  # type: ignore[attr-defined]
    (says(200) if "dpop" in headers else INVALID)(handler, body)  # type: ignore[arg-type]


@EVERY_CLIENT
@BOTH_KINDS
def test_another_origin_by_hand_gets_nothing_either(client: Client, is_bound: bool) -> None:
    """[C-6750-01]: the first that is called is the one, unless one is named."""
    planted = (("authorization", "Bearer at-1"), ("dpop", "x"))
    with serving({"/": says(200)}) as api, serving({"/": says(200)}) as stranger:
        asks = [Ask(f"{server.url}/", headers=planted) for server in (api, stranger, api)]
        assert client(Calls(tokens_of(is_bound=is_bound)), *asks) == [200] * 3
        assert (brought(stranger), brought(stranger, "dpop")) == ([None], [None])
        assert [str(header).partition(" ")[2] for header in brought(api)] == ["at-1"] * 2
        named = Calls(tokens_of(is_bound=is_bound), api.url)
        assert client(named, Ask(f"{stranger.url}/"), Ask(f"{api.url}/")) == [200] * 2
        assert (brought(stranger)[-1], brought(api)[-1]) != (None, None)
        assert brought(stranger)[-1] is None


@EVERY_CLIENT
def test_no_token_is_sent_in_clear_beyond_this_machine(client: Client) -> None:
    """[C-6750-01] [C-6749-01]."""
    with pytest.raises(Misuse):
        client(Calls(Tokens()), Ask("http://api.example/"))


def test_an_origin_is_a_web_address() -> None:
    with pytest.raises(Misuse):
        Calls(Tokens(), "api.example")


@EVERY_CLIENT
def test_a_nonce_is_brought_at_once_and_the_newest_from_then_on(client: Client) -> None:
    """[C-9449-02]: also from an answer that went well."""
    with serving({"/": in_turn(wants_nonce("n1"), says(200, dpop_nonce="n2"), says(200))}) as api:
        asks = [Ask(f"{api.url}/", "POST", b"in"), Ask(f"{api.url}/"), Ask(f"{api.url}/")]
        assert client(Calls(tokens_of(is_bound=True)), *asks) == [200] * 3
        assert all(accepted(api, number) for number in range(4))
    proofs = [read_proof(Secret(shown or ""))[0] for shown in brought(api, "dpop")]
    assert [proof.nonce for proof in proofs] == [None, "n1", "n2", "n2"]
    assert len({proof.token_id for proof in proofs}) == 4


@EVERY_CLIENT
def test_a_body_that_is_gone_is_not_sent_again(client: Client) -> None:
    """And nobody logs in again for a call that cannot be made again."""
    tokens = Tokens(steps_up=True)
    denied = says(403, www_authenticate='Bearer error="insufficient_scope", scope="write"')
    with serving({"/": INVALID, "/denied": denied}) as api:
        asks = [Ask(f"{api.url}{path}", "POST", b"in", streamed=True) for path in ("/", "/denied")]
        for ask in asks:
            ask.headers = (("content-length", "2"),) if client is not with_requests else ()
        assert client(Calls(tokens), *asks) == [401, 403]
    assert (len(api.came), tokens.renewals, tokens.wanted) == (2, 0, [])


@EVERY_CLIENT
@BOTH_KINDS
def test_a_login_is_made_surer_once_when_an_api_wants_that(client: Client, is_bound: bool) -> None:
    """[C-9470-01] [C-6750-03]."""
    tokens = tokens_of(is_bound=is_bound, steps_up=True)
    scheme = "DPoP" if is_bound else "Bearer"
    narrow = says(403, b"no", www_authenticate=f'Basic, {scheme} error="insufficient_scope", scope="write"')
    old = says(401, www_authenticate=f'{scheme} error="insufficient_user_authentication", max_age="60"')
    with serving({"/": in_turn(narrow, says(200), narrow, old, old, old)}) as api:
        asks = [Ask(f"{api.url}/") for _ in range(3)]
        assert client(Calls(tokens), *asks) == [200, 401, 401]
    young = StepUp(assurance=Assurance(max_age=timedelta(minutes=1)))
    assert tokens.wanted == [StepUp(Scope.of(["write"])), StepUp(Scope.of(["write"])), young]
    assert (len(api.came), tokens.renewals) == (6, 0)


@EVERY_CLIENT
def test_where_nobody_can_help_the_api_has_the_last_word(client: Client) -> None:
    old = says(401, www_authenticate='Bearer error="insufficient_user_authentication", max_age="60"')
    with serving({"/": INVALID, "/old": old}) as api:
        calls = Calls(Tokens(LoginRequired("not logged in")))
        assert client(calls, Ask(f"{api.url}/"), Ask(f"{api.url}/old")) == [401, 401]
    assert len(api.came) == 2

"""Keys turn while an API is under load: nobody who holds a good token is refused."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.guard import Policy, Principal
from keyfob.jose.keys import SigningKey
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.resource.io.keys import IssuerKeys
from keyfob.resource.judge import TrustedIssuer, Verifier
from keyfob.testing.flawed_tokens import TokenMaker

from .conftest import AUDIENCE, ISSUER, NOW
from .scenes import READ, Issuer, Steady, call

REQUESTS, TURNS = 10_000, 10
POLICY = Policy(ISSUER, AUDIENCE, ("ES256",))


class Turning:
    """An issuer whose keys turn: each turn brings a new one, and the two before stay for tokens that live.

    The clock that the guard sees passes a minute at each turn, so that a turn is a turn and not an attack.
    """

    def __init__(self, mint: TokenMaker) -> None:
        self.mint = mint
        self.keys = [SigningKey.generate("ES256") for _ in range(TURNS + 1)]
        self.issuer, self.steady = Issuer(self.keys[0]), Steady()
        self.tokens = [mint.of(mint.claims(), key=key) for key in self.keys]
        self.turn = 0
        self.lock = threading.Lock()

    def verifier(self, remember: int) -> Verifier:
        trusted = TrustedIssuer(POLICY, IssuerKeys(ISSUER, self, self.steady))
        return Verifier([trusted], remember=remember, clock=lambda: NOW)

    def __call__(self, request: Request) -> Response:
        with self.lock:
            return self.issuer(request)

    def token(self, number: int) -> Secret:
        """What a caller holds by then: mostly the newest, now and then the one before."""
        turn = number * TURNS // REQUESTS
        if turn > self.turn:
            with self.lock:
                if turn > self.turn:
                    self.issuer.keys = self.keys[max(0, turn - 2) : turn + 1]
                    self.steady.at += timedelta(minutes=1)
                    self.turn = turn
        return self.tokens[turn - 1 if turn and number % 5 == 0 else turn]


@pytest.mark.parametrize("remember", [0, 1000])
def test_keys_turn_under_load_in_threads_and_none_is_refused(mint: TokenMaker, remember: int) -> None:
    """[RS-OIDC-01]."""
    turning = Turning(mint)
    verifier = turning.verifier(remember)
    refused: list[object] = []

    def work(worker: int) -> None:
        # All are in step: when the keys turn, a caller of the last turn may be under way, none of an older one.
        for number in range(worker, REQUESTS, 8):
            found = verifier.check(call(turning.token(number)), READ)
            if not isinstance(found, Principal):
                refused.append(found)
            if (number // 8) % (REQUESTS // TURNS // 8) == 0:
                step.wait(30)

    step = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, worker) for worker in range(8)]:
            done.result(60)
    assert not refused
    assert turning.turn == TURNS - 1
    assert turning.issuer.key_fetches == TURNS, "one for each turn, whoever noticed it"


@pytest.mark.parametrize("remember", [0, 1000])
def test_keys_turn_under_load_in_an_event_loop_and_none_is_refused(mint: TokenMaker, remember: int) -> None:
    """[RS-OIDC-01]."""
    turning = Turning(mint)
    verifier = turning.verifier(remember)

    async def run() -> list[object]:
        found: list[object] = []
        for start in range(0, REQUESTS, 100):
            group = [verifier.check_async(call(turning.token(start + number)), READ) for number in range(100)]
            found += await asyncio.gather(*group)
        return found

    found = asyncio.run(run())
    assert len(found) == REQUESTS
    assert all(isinstance(one, Principal) for one in found)
    assert turning.issuer.key_fetches == TURNS


def test_an_attacker_who_makes_up_keys_meanwhile_gets_one_question_in_a_pause(mint: TokenMaker) -> None:
    """[RS-OIDC-01]: and the next turn is noticed at the first request after the pause."""
    turning = Turning(mint)
    verifier = turning.verifier(0)
    assert isinstance(verifier.check(call(turning.tokens[0]), READ), Principal)
    turning.steady.at += timedelta(seconds=31)
    for number in range(1000):
        made_up = mint.of(mint.claims(), key=replace(turning.keys[9], key_id=f"made up {number}"))
        assert not isinstance(verifier.check(call(made_up), READ), Principal)
        assert isinstance(verifier.check(call(turning.tokens[0]), READ), Principal)
    assert turning.issuer.key_fetches == 2
    turning.issuer.keys = [turning.keys[1], turning.keys[0]]
    turning.steady.at += timedelta(seconds=30)
    assert isinstance(verifier.check(call(turning.tokens[1]), READ), Principal)
    assert turning.issuer.key_fetches == 3

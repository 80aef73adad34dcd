"""The refresh token before the newest works for a short time and a few times, and always gives the same successor."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from keyfob.protocol.http import Response
from keyfob.server.decide.refresh import MOST_REPEATS, REPEAT_WINDOW
from keyfob.testing.example_tenant import ORDERS
from keyfob.testing.scene import Scene
from tests.server.wires import body_of, code_of, redeem, scene_of, stored, token, told


@pytest.fixture(params=["auth0", "rfc"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param)


def log_in(scene: Scene) -> str:
    code = code_of(scene, audience=ORDERS, scope="openid offline_access read:orders")
    return str(body_of(redeem(scene, code))["refresh_token"])


def refresh(scene: Scene, shown: object) -> Response:
    return token(scene, grant_type="refresh_token", client_id="native", refresh_token=str(shown))


def successor(scene: Scene, shown: object) -> object:
    return body_of(refresh(scene, shown))["refresh_token"]


def test_twenty_trades_of_one_token_give_one_successor_that_lives(scene: Scene) -> None:
    """[FS-13] [AS-9700-13]: parallel trades reach the store one after the other."""
    first = log_in(scene)
    found = {successor(scene, first) for _ in range(20)}
    assert len(found) == 1
    assert refresh(scene, found.pop()).status == 200


def test_the_token_before_is_dead_after_a_short_time(scene: Scene) -> None:
    """[FS-13] [AS-9700-13]: and who shows it then ends the login, the newest token included."""
    first = log_in(scene)
    second = successor(scene, first)
    scene.time.go(REPEAT_WINDOW - timedelta(seconds=1))
    assert successor(scene, first) == second, "a lost answer"
    scene.time.go(timedelta(seconds=1))
    assert told(refresh(scene, first))[1] == "invalid_grant"
    assert told(refresh(scene, second))[1] == "invalid_grant"


def test_the_token_before_is_dead_after_a_few_trades(scene: Scene) -> None:
    """[FS-13] [AS-9700-13]."""
    first = log_in(scene)
    statuses = [refresh(scene, first).status for _ in range(30)]
    assert statuses[: MOST_REPEATS + 1] == [200] * (MOST_REPEATS + 1)
    assert 200 not in statuses[MOST_REPEATS + 1 :]


def test_repeated_trades_do_not_lengthen_the_short_time(scene: Scene) -> None:
    """[FS-13]."""
    first = log_in(scene)
    refresh(scene, first)
    for _ in range(4):
        scene.time.go(REPEAT_WINDOW / 4)
        last = refresh(scene, first)
    assert told(last)[1] == "invalid_grant"


def test_the_successors_are_not_in_the_store(scene: Scene) -> None:
    """[FS-13]: they are derived with the tenant's key; the store has hashes only."""
    second = successor(scene, log_in(scene))
    assert stored(scene)["refresh_login"]
    assert str(second).encode() not in repr(stored(scene)).encode()
    assert str(second).encode() not in scene.store._writer.serialize()


def test_trades_at_the_same_time_agree(scene: Scene) -> None:
    """[FS-13]: with an event loop that runs all of them at once."""
    first = log_in(scene)

    async def trade() -> object:
        return await asyncio.to_thread(successor, scene, first)

    async def all_at_once() -> list[object]:
        return await asyncio.gather(*(trade() for _ in range(10)))

    assert len(set(asyncio.run(all_at_once()))) == 1

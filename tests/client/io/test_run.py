"""A coroutine over a blocking World, by hand and by an event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from keyfob.client.flows.device import log_in
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import StillPending
from keyfob.client.ports import World
from keyfob.errors import LoginDeclined, Misuse, Unreachable
from keyfob.protocol.http import Request, Response
from keyfob.protocol.tokens import TokenAnswer
from keyfob.run import run
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.scripts import METADATA, PENDING, PROFILE, client, codes, error, tokens

GET = Request("GET", "https://login.example/x")
NOTICE = StillPending(timedelta())


async def everything(world: World) -> tuple[Response, Moment]:
    response = await world.send(GET)
    await world.wait(timedelta(seconds=3))
    world.notify(NOTICE)
    return response, world.now()


async def forgiving(world: World) -> str:
    try:
        await world.send(GET)
    except Unreachable:
        return "lived with it"
    return "answered"


async def whole_login(world: World) -> TokenAnswer:
    return await log_in(world, METADATA, client(), PROFILE)


def test_a_flow_uses_its_world() -> None:
    world = ScriptedWorld({"/x": [Response(204)]})

    response, moment = run(everything(world))

    assert response.status == 204
    assert moment.steady == timedelta(seconds=3)
    assert world.notices == [NOTICE]


@pytest.mark.parametrize("flow", [everything, forgiving, whole_login])
def test_an_event_loop_runs_a_flow_as_run_does(flow: Callable[[World], Awaitable[object]]) -> None:
    def script() -> ScriptedWorld:
        return ScriptedWorld({"/x": [Response(204)], "/device": [codes()], "/token": [PENDING, tokens()]})

    by_hand, by_loop = script(), script()

    assert run(flow(by_hand)) == asyncio.run(flow(by_loop))
    assert by_hand.sent == by_loop.sent
    assert by_hand.notices == by_loop.notices


def test_a_flow_catches_the_errors_of_its_world() -> None:
    world = ScriptedWorld({})

    assert run(forgiving(world)) == "lived with it"
    assert asyncio.run(forgiving(world)) == "lived with it"


def test_an_error_that_a_flow_does_not_catch_reaches_the_caller() -> None:
    world = ScriptedWorld({"/device": [codes()], "/token": [error("access_denied")]})

    with pytest.raises(Unreachable):
        run(everything(world))
    with pytest.raises(LoginDeclined):
        asyncio.run(whole_login(world))


def test_a_world_that_suspends_is_refused_and_its_flow_is_closed() -> None:
    closed: list[bool] = []

    async def suspends() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    with pytest.raises(Misuse, match="suspended"):
        run(suspends())
    assert closed == [True]


def test_ctrl_c_unwinds_a_flow_as_it_unwinds_a_function() -> None:
    unwound: list[str] = []

    class Interrupted(ScriptedWorld):
        async def wait(self, _span: timedelta) -> None:
            raise KeyboardInterrupt

    async def waits(world: World) -> None:
        try:
            await world.wait(timedelta(seconds=1))
        finally:
            unwound.append("finally")

    with pytest.raises(KeyboardInterrupt):
        run(waits(Interrupted({})))
    assert unwound == ["finally"]

import asyncio
from datetime import timedelta

import pytest

from keyfob.client.asks import Flow, now, send, tell, wait
from keyfob.client.drive import drive, drive_async
from keyfob.client.flows.device import log_in
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import StillPending
from keyfob.errors import LoginDeclined, Unreachable
from keyfob.protocol.http import Request, Response
from keyfob.testing.scripted_server import AsyncScriptedWorld, ScriptedWorld
from tests.client.scripts import METADATA, PENDING, PROFILE, codes, error, program, tokens

GET = Request("GET", "https://login.example/x")
NOTICE = StillPending(timedelta())


def everything() -> Flow[tuple[Response, Moment]]:
    response = yield from send(GET)
    yield from wait(timedelta(seconds=3))
    yield from tell(NOTICE)
    return response, (yield from now())


def forgiving() -> Flow[str]:
    try:
        yield from send(GET)
    except Unreachable:
        return "lived with it"
    return "answered"


def test_every_ask_is_answered() -> None:
    world = ScriptedWorld({"/x": [Response(204)]})

    response, moment = drive(everything(), world)

    assert response.status == 204
    assert moment.steady == timedelta(seconds=3)
    assert world.notices == [NOTICE]


def test_the_event_loop_answers_as_the_blocking_world_does() -> None:
    def script() -> ScriptedWorld:
        return ScriptedWorld({"/x": [Response(204)], "/device": [codes()], "/token": [PENDING, tokens()]})

    blocking, looping = script(), script()
    flows = (everything, forgiving, lambda: log_in(METADATA, program(), PROFILE))

    for flow in flows:
        assert drive(flow(), blocking) == asyncio.run(drive_async(flow(), AsyncScriptedWorld(looping)))
    assert blocking.sent == looping.sent
    assert blocking.notices == looping.notices


def test_trouble_of_the_world_is_the_flows_to_live_with() -> None:
    world = ScriptedWorld({})

    assert drive(forgiving(), world) == "lived with it"
    assert asyncio.run(drive_async(forgiving(), AsyncScriptedWorld(world))) == "lived with it"


def test_what_a_flow_cannot_live_with_comes_out() -> None:
    world = ScriptedWorld({"/device": [codes()], "/token": [error("access_denied")]})

    with pytest.raises(Unreachable):
        drive(everything(), world)
    with pytest.raises(LoginDeclined):
        asyncio.run(drive_async(log_in(METADATA, program(), PROFILE), AsyncScriptedWorld(world)))

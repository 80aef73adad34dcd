"""Run a flow against a world: blocking, and the same with `await`."""

from __future__ import annotations

from typing import TypeVar, assert_never, cast

from keyfob.client.asks import (
    Ask,
    AskPerson,
    Browse,
    Draw,
    Flow,
    Hear,
    Learn,
    Listen,
    Look,
    Now,
    Park,
    Recall,
    Send,
    Tell,
    Unpark,
    Wait,
)
from keyfob.client.ports import AsyncWorld, World
from keyfob.errors import KeyfobError

T = TypeVar("T")


def drive(flow: Flow[T], world: World) -> T:
    """Run a flow to its end.

    Errors of the world are thrown into the flow, which may live with them; what it does not catch comes out here.
    """
    answer: object = None
    problem: KeyfobError | None = None
    went_well = False
    try:
        while True:
            try:
                ask = flow.send(answer) if problem is None else flow.throw(problem)
            except StopIteration as done:
                went_well = True
                return cast(T, done.value)
            answer, problem = None, None
            try:
                answer = _answer(ask, world)
            except KeyfobError as raised:
                problem = raised
    finally:
        world.hush(went_well=went_well)


def _answer(ask: Ask, world: World) -> object:
    match ask:
        case Send():
            return world.send(ask.request)
        case Wait():
            world.wait(ask.span)
            return None
        case Listen():
            return world.listen(ask.callbacks, ask.state)
        case Browse():
            return world.browse(ask.address)
        case Hear():
            return world.hear(ask.span)
        case AskPerson():
            return world.ask(ask.question)
        case Now() | Tell() | Draw() | Look() | Recall() | Learn() | Park() | Unpark():
            return _answer_at_once(ask, world)
        case _:  # pragma: no cover
            assert_never(ask)


async def drive_async(flow: Flow[T], world: AsyncWorld) -> T:
    """As `drive`, for an event loop."""
    answer: object = None
    problem: KeyfobError | None = None
    went_well = False
    try:
        while True:
            try:
                ask = flow.send(answer) if problem is None else flow.throw(problem)
            except StopIteration as done:
                went_well = True
                return cast(T, done.value)
            answer, problem = None, None
            try:
                answer = await _answer_async(ask, world)
            except KeyfobError as raised:
                problem = raised
    finally:
        await world.hush(went_well=went_well)


async def _answer_async(ask: Ask, world: AsyncWorld) -> object:
    match ask:
        case Send():
            return await world.send(ask.request)
        case Wait():
            await world.wait(ask.span)
            return None
        case Listen():
            return await world.listen(ask.callbacks, ask.state)
        case Browse():
            return await world.browse(ask.address)
        case Hear():
            return await world.hear(ask.span)
        case AskPerson():
            return await world.ask(ask.question)
        case Now() | Tell() | Draw() | Look() | Recall() | Learn() | Park() | Unpark():
            return _answer_at_once(ask, world)
        case _:  # pragma: no cover
            assert_never(ask)


_AtOnce = Now | Tell | Draw | Look | Recall | Learn | Park | Unpark


def _answer_at_once(ask: _AtOnce, world: World | AsyncWorld) -> object:
    """What takes no time is the same in both worlds."""
    match ask:
        case Now():
            return world.now()
        case Tell():
            return world.tell(ask.notice)
        case Draw():
            return world.random(ask.size)
        case Look():
            return world.look()
        case Recall():
            return world.recall(ask.issuer, ask.client_id)
        case Learn():
            return world.learn(ask.issuer, ask.client_id, ask.learned)
        case Park():
            return world.park(ask.profile, ask.kept)
        case Unpark():
            return world.unpark(ask.profile)
        case _:  # pragma: no cover
            assert_never(ask)

"""Run a flow against a world: blocking, and the same with `await`."""

from __future__ import annotations

from typing import TypeVar, assert_never, cast

from keyfob.client.asks import Ask, Browse, Draw, Flow, Hear, Listen, Now, Send, Tell, Wait
from keyfob.client.ports import AsyncWorld, World
from keyfob.errors import KeyfobError

T = TypeVar("T")


def drive(flow: Flow[T], world: World) -> T:
    """Run a flow to its end.

    Errors of the world are thrown into the flow, which may live with them; what it does not catch comes out here.
    """
    answer: object = None
    problem: KeyfobError | None = None
    while True:
        try:
            ask = flow.send(answer) if problem is None else flow.throw(problem)
        except StopIteration as done:
            return cast(T, done.value)
        answer, problem = None, None
        try:
            answer = _answer(ask, world)
        except KeyfobError as raised:
            problem = raised


def _answer(ask: Ask, world: World) -> object:
    match ask:
        case Send():
            return world.send(ask.request)
        case Wait():
            world.wait(ask.span)
            return None
        case Now():
            return world.now()
        case Tell():
            world.tell(ask.notice)
            return None
        case Draw():
            return world.random(ask.size)
        case Listen():
            return world.listen(ask.ports, ask.state)
        case Browse():
            return world.browse(ask.address)
        case Hear():
            return world.hear(ask.span)
        case _:  # pragma: no cover
            assert_never(ask)


async def drive_async(flow: Flow[T], world: AsyncWorld) -> T:
    """As `drive`, for an event loop."""
    answer: object = None
    problem: KeyfobError | None = None
    while True:
        try:
            ask = flow.send(answer) if problem is None else flow.throw(problem)
        except StopIteration as done:
            return cast(T, done.value)
        answer, problem = None, None
        try:
            answer = await _answer_async(ask, world)
        except KeyfobError as raised:
            problem = raised


async def _answer_async(ask: Ask, world: AsyncWorld) -> object:
    match ask:
        case Send():
            return await world.send(ask.request)
        case Wait():
            await world.wait(ask.span)
            return None
        case Now():
            return world.now()
        case Tell():
            world.tell(ask.notice)
            return None
        case Draw():
            return world.random(ask.size)
        case Listen():
            return await world.listen(ask.ports, ask.state)
        case Browse():
            return await world.browse(ask.address)
        case Hear():
            return await world.hear(ask.span)
        case _:  # pragma: no cover
            assert_never(ask)

"""Run a flow against a world and a vault: blocking, and the same with `await`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TypeVar, assert_never, cast

from keyfob.client.asks import (
    Ask,
    AskPerson,
    AtOnce,
    Browse,
    Draw,
    Flow,
    Forget,
    Hear,
    Keep,
    Learn,
    Listen,
    Load,
    Lock,
    Look,
    MakeReady,
    NoteTurn,
    Now,
    Park,
    PutAway,
    Recall,
    Send,
    TakeTurn,
    Tell,
    Unlock,
    Unpark,
    VaultAsk,
    Wait,
)
from keyfob.client.ports import AsyncVault, AsyncWorld, Vault, World
from keyfob.errors import KeyfobError, Misuse

T = TypeVar("T")


def drive(flow: Flow[T], world: World, vault: Vault | None = None) -> T:
    """Run a flow to its end.

    Errors of the world are thrown into the flow, which may live with them; what it does not catch comes out here. What
    was locked is let go of, and who listened listens no more, however it ends.
    """
    answer: object = None
    problem: KeyfobError | None = None
    went_well = False
    with ExitStack() as locks:
        try:
            while True:
                try:
                    ask = flow.send(answer) if problem is None else flow.throw(problem)
                except StopIteration as done:
                    went_well = True
                    return cast(T, done.value)
                answer, problem = None, None
                try:
                    answer = _answer(ask, world, vault, locks)
                except KeyfobError as raised:
                    problem = raised
        finally:
            world.hush(went_well=went_well)


def _answer(ask: Ask, world: World, vault: Vault | None, locks: ExitStack) -> object:
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
        case MakeReady() | Load() | Keep() | PutAway() | Forget() | Lock() | Unlock():
            if vault is None:
                raise Misuse("this flow needs a vault")
            return _answer_from_vault(ask, vault, locks)
        case _:
            return _answer_at_once(ask, world)


def _answer_from_vault(ask: VaultAsk, vault: Vault, locks: ExitStack) -> object:
    match ask:
        case MakeReady():
            return vault.make_ready()
        case Load():
            return vault.load(ask.drawer)
        case Keep():
            vault.keep(ask.drawer, ask.held)
        case PutAway():
            vault.put_away(ask.drawer)
        case Forget():
            vault.forget(ask.drawer)
        case Lock():
            locks.enter_context(vault.lock(ask.drawer))
        case Unlock():
            locks.pop_all().close()
        case _:  # pragma: no cover
            assert_never(ask)
    return None


async def drive_async(flow: Flow[T], world: AsyncWorld, vault: AsyncVault | None = None) -> T:
    """As `drive`, for an event loop."""
    answer: object = None
    problem: KeyfobError | None = None
    went_well = False
    with ExitStack() as locks:
        try:
            while True:
                try:
                    ask = flow.send(answer) if problem is None else flow.throw(problem)
                except StopIteration as done:
                    went_well = True
                    return cast(T, done.value)
                answer, problem = None, None
                try:
                    answer = await _answer_async(ask, world, vault, locks)
                except KeyfobError as raised:
                    problem = raised
        finally:
            await world.hush(went_well=went_well)


async def _answer_async(ask: Ask, world: AsyncWorld, vault: AsyncVault | None, locks: ExitStack) -> object:
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
        case MakeReady() | Load() | Keep() | PutAway() | Forget() | Lock() | Unlock():
            if vault is None:
                raise Misuse("this flow needs a vault")
            return await _answer_from_vault_async(ask, vault, locks)
        case _:
            return _answer_at_once(ask, world)


async def _answer_from_vault_async(ask: VaultAsk, vault: AsyncVault, locks: ExitStack) -> object:
    match ask:
        case MakeReady():
            return await vault.make_ready()
        case Load():
            return await vault.load(ask.drawer)
        case Keep():
            await vault.keep(ask.drawer, ask.held)
        case PutAway():
            await vault.put_away(ask.drawer)
        case Forget():
            await vault.forget(ask.drawer)
        case Lock():
            locks.callback(await vault.lock(ask.drawer))
        case Unlock():
            locks.pop_all().close()
        case _:  # pragma: no cover
            assert_never(ask)
    return None


def _answer_at_once(ask: AtOnce, world: World | AsyncWorld) -> object:
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
        case TakeTurn() | NoteTurn():
            act = world.take_turn if isinstance(ask, TakeTurn) else world.note_turn
            return act(ask.profile, ask.turn)
        case _:  # pragma: no cover
            assert_never(ask)

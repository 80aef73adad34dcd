"""The protocols `World` (network, clocks, user) and `Vault` (stored logins), implemented for use in an event loop.

The blocking methods of another `World` or `Vault` are called in threads.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar

from keyfob.client.io.interruption import LIMIT_S, held_back
from keyfob.client.io.world import SystemWorld
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import LoginEvent, Question, Slot, Vault, World, WorldAround
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.run import run

P = ParamSpec("P")
T = TypeVar("T")
_OWN = "keyfob-own"
_TICK_S = 1.0
_GLANCE_S = 0.1
# keyfob's own pool: a lock's holder must find a free thread, however busy the event loop's default pool is.
_threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="keyfob")


async def in_thread(flow: Coroutine[object, None, T]) -> T:
    """Run a blocking coroutine in a thread.

    If the calling task is cancelled, it ends at once, and does not wait for the thread, which runs to its end.
    """
    if _is_own_thread():
        return run(flow)
    begun = _threads.submit(run, flow)
    try:
        return await asyncio.wrap_future(begun)
    except asyncio.CancelledError:
        if begun.cancel():  # no thread was free, so the coroutine never ran
            flow.close()
        raise


async def off_loop(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking function in a thread of keyfob's pool, or directly if the current thread may block."""
    if _is_own_thread():
        return act(*args, **kwargs)
    return await asyncio.wrap_future(_threads.submit(act, *args, **kwargs))


async def _to_the_end(flow: Coroutine[object, None, T]) -> T:
    """Run a blocking coroutine in a thread, to its end even if the calling task is cancelled."""
    if _is_own_thread():
        return run(flow)
    return await asyncio.shield(asyncio.wrap_future(_threads.submit(run, flow)))


class WorldInThreads(WorldAround):
    """A `World` (network, clocks, user) for use in an event loop. It calls a blocking `World` in threads."""

    async def uninterrupted(self, act: Coroutine[object, None, T]) -> T:
        """Run `act` in a new thread, to its end even if this task is cancelled or the event loop ends.

        All blocking calls in `act` run in that one thread, because Python starts no threads while it exits.

        Raises:
            CancelledError: The task was cancelled. `act` has ended, or will end soon in its thread.
        """
        ending = asyncio.wrap_future(_in_own_thread(lambda: run(act)))
        ending.add_done_callback(_retrieve)
        with held_back():
            try:
                return await asyncio.shield(ending)
            except asyncio.CancelledError:
                if not ending.cancelled():
                    await asyncio.wait({ending}, timeout=LIMIT_S)
                raise

    async def send(self, request: Request) -> Response:
        return await in_thread(self._world.send(request))

    async def wait(self, span: timedelta) -> None:
        await in_thread(self._world.wait(span))

    async def open_browser(self, address: str) -> bool:
        return await in_thread(self._world.open_browser(address))

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        return await in_thread(self._world.next_event(span))

    async def stop_listening(self, *, succeeded: bool) -> None:
        await in_thread(self._world.stop_listening(succeeded=succeeded))

    async def ask(self, question: Question) -> Secret:
        return await in_thread(self._world.ask(question))


class AsyncSystemWorld(WorldInThreads):
    """The network, clocks and user of this process, for use in an event loop.

    `wait` and `next_event` use no threads, so that they end at once when their task is cancelled.
    """

    def __init__(self, world: SystemWorld) -> None:
        super().__init__(world)
        self._system = world

    async def wait(self, span: timedelta) -> None:
        if _is_own_thread():
            await self._system.wait(span)
            return
        end = time.monotonic() + span.total_seconds()
        while (left := end - time.monotonic()) > 0:
            self._system.tick()
            await asyncio.sleep(min(left, _TICK_S))

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        end = time.monotonic() + span.total_seconds()
        while (left := end - time.monotonic()) > 0:
            event = self._system.glance()
            if event is not None:
                return event
            await asyncio.sleep(min(left, _GLANCE_S))
        return None


def without_blocking(world: World) -> World:
    """Wrap a blocking `World` (network, clocks, user) for use in an event loop."""
    return AsyncSystemWorld(world) if isinstance(world, SystemWorld) else WorldInThreads(world)


class VaultInThreads:
    """A `Vault` (stored logins) for use in an event loop. It calls a blocking `Vault` in threads."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def prepare(self) -> str:
        return await in_thread(self._vault.prepare())

    async def load(self, entry: str, *, is_ending: bool = False) -> StoredLogin | None:
        return await in_thread(self._vault.load(entry, is_ending=is_ending))

    async def save(self, entry: str, stored: StoredLogin) -> None:
        # The old refresh token may be spent, so the new one is stored even if the task is cancelled.
        await _to_the_end(self._vault.save(entry, stored))

    def reserve(self, entry: str) -> AbstractAsyncContextManager[Slot]:
        return _Reserved(self._vault.reserve(entry))

    async def remove_quick(self, entry: str) -> None:
        await in_thread(self._vault.remove_quick(entry))

    async def delete(self, entry: str) -> None:
        await _to_the_end(self._vault.delete(entry))

    def lock(
        self, entry: str, on_wait: Callable[[int | None], object] | None = None
    ) -> AbstractAsyncContextManager[object]:
        loop = asyncio.get_running_loop()

        def told(pid: int | None) -> None:
            if on_wait is not None:
                loop.call_soon_threadsafe(on_wait, pid)

        return _Entered(self._vault.lock(entry, told))


class _SlotInThreads:
    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    async def save(self, stored: StoredLogin) -> None:
        await _to_the_end(self._slot.save(stored))


class _Entered(Generic[T]):
    """An asynchronous context manager that enters a blocking context manager in a new thread.

    No pool is used: all its threads could be waiting for a lock, and the lock's holder would find no free thread.

    This is a class and not a generator: an event loop closes its generators when it ends, and so would release the lock
    too early. A coroutine in `WorldInThreads.uninterrupted` may continue to run, and need the lock, after the end of
    the event loop.
    """

    def __init__(self, context: AbstractAsyncContextManager[T]) -> None:
        self._context = context

    async def __aenter__(self) -> T:
        """Enter the context.

        Raises:
            CancelledError: The task was cancelled. If the thread enters the context later, it exits at once.
        """
        entered = _in_own_thread(lambda: run(_enter(self._context)))
        try:
            return await asyncio.shield(asyncio.wrap_future(entered))
        except asyncio.CancelledError:
            entered.add_done_callback(lambda done: self._leave() if done.exception() is None else None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        run(_leave(self._context))


class _Reserved(_Entered[Slot]):
    async def __aenter__(self) -> Slot:
        return _SlotInThreads(await super().__aenter__())


def _in_own_thread(act: Callable[[], T]) -> Future[T]:
    """Run a function in a new thread. The interpreter waits for the thread before it exits."""
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=_OWN)
    future = pool.submit(act)
    pool.shutdown(wait=False)
    return future


def _is_own_thread() -> bool:
    return threading.current_thread().name.startswith(_OWN)


def _retrieve(done: asyncio.Future[T]) -> None:
    """Retrieve the future's exception, because asyncio reports an exception that no task has retrieved."""
    if not done.cancelled():
        done.exception()


async def _enter(context: AbstractAsyncContextManager[T]) -> T:
    return await context.__aenter__()


async def _leave(context: AbstractAsyncContextManager[object]) -> None:
    await context.__aexit__(None, None, None)

"""A world and a vault for an event loop: what blocks runs in threads, what waits can be cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import ParamSpec, TypeVar

from keyfob.client.asks import Heard
from keyfob.client.io.world import SystemWorld
from keyfob.client.model.callback import Callback
from keyfob.client.model.lock_holder import Turn
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import Notice
from keyfob.client.model.question import Question
from keyfob.client.model.server_capabilities import Learned
from keyfob.client.model.stored_login import Held
from keyfob.client.model.surroundings import Surroundings
from keyfob.client.ports import Vault, World
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret

P = ParamSpec("P")
T = TypeVar("T")
_TICK = 1.0
_GLANCE = 0.1
# Of our own: whoever holds a lock must find a thread to go on in, however busy the loop's own threads are.
_threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="keyfob")


async def in_thread(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Let something that blocks run in a thread; a task that is cancelled does not wait for it."""
    return await asyncio.wrap_future(_threads.submit(act, *args, **kwargs))


class InThreads:
    """Any blocking world, for an event loop."""

    def __init__(self, world: World) -> None:
        """Stand in front of it."""
        self._blocking = world

    async def send(self, request: Request) -> Response:
        """In a thread. Raises as there."""
        return await in_thread(self._blocking.send, request)

    async def wait(self, span: timedelta) -> None:
        """In a thread."""
        await in_thread(self._blocking.wait, span)

    def now(self) -> Moment:
        """As there."""
        return self._blocking.now()

    def tell(self, notice: Notice) -> None:
        """As there."""
        self._blocking.tell(notice)

    def random(self, size: int) -> bytes:
        """As there."""
        return self._blocking.random(size)

    async def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        """As there. Raises as there."""
        return self._blocking.listen(callbacks, state)

    async def browse(self, address: str) -> bool:
        """In a thread."""
        return await in_thread(self._blocking.browse, address)

    async def hear(self, span: timedelta) -> Heard | None:
        """In a thread."""
        return await in_thread(self._blocking.hear, span)

    async def hush(self, *, went_well: bool) -> None:
        """In a thread, since a browser may be told meanwhile."""
        await in_thread(self._blocking.hush, went_well=went_well)

    async def ask(self, question: Question) -> Secret:
        """In a thread. Raises as there."""
        return await in_thread(self._blocking.ask, question)

    def look(self) -> tuple[Surroundings, bool]:
        """As there."""
        return self._blocking.look()

    def recall(self, issuer: str, client_id: str) -> Learned:
        """As there."""
        return self._blocking.recall(issuer, client_id)

    def learn(self, issuer: str, client_id: str, learned: Learned) -> None:
        """As there."""
        self._blocking.learn(issuer, client_id, learned)

    def park(self, profile: str, kept: Secret | None) -> None:
        """As there."""
        self._blocking.park(profile, kept)

    def unpark(self, profile: str) -> Secret | None:
        """As there."""
        return self._blocking.unpark(profile)

    def take_turn(self, profile: str, turn: Turn) -> tuple[bool, Turn | None]:
        """As there."""
        return self._blocking.take_turn(profile, turn)

    def note_turn(self, profile: str, turn: Turn) -> None:
        """As there."""
        self._blocking.note_turn(profile, turn)


class AsyncSystemWorld(InThreads):
    """The real world: waiting takes no thread, and ends when its task is cancelled."""

    def __init__(self, world: SystemWorld) -> None:
        """Stand in front of it."""
        super().__init__(world)
        self._system = world

    async def wait(self, span: timedelta) -> None:
        """By the steady clock, in slices."""
        end = time.monotonic() + span.total_seconds()
        while (left := end - time.monotonic()) > 0:
            self._system.tick()
            await asyncio.sleep(min(left, _TICK))

    async def hear(self, span: timedelta) -> Heard | None:
        """By the steady clock, in glances."""
        end = time.monotonic() + span.total_seconds()
        while (left := end - time.monotonic()) > 0:
            found = self._system.glance()
            if found is not None:
                return found
            await asyncio.sleep(min(left, _GLANCE))
        return None


class VaultInThreads:
    """A vault for an event loop."""

    def __init__(self, vault: Vault) -> None:
        """Stand in front of it."""
        self._vault = vault

    async def make_ready(self) -> str:
        """As there. Raises as there; so do the others."""
        return await in_thread(self._vault.make_ready)

    async def load(self, drawer: str) -> Held | None:
        """As there."""
        return await in_thread(self._vault.load, drawer)

    async def keep(self, drawer: str, held: Held) -> None:
        """As there, to the end even if the task is cancelled: a spent refresh token must not be lost."""
        await asyncio.shield(in_thread(self._vault.keep, drawer, held))

    async def put_away(self, drawer: str) -> None:
        """As there."""
        await in_thread(self._vault.put_away, drawer)

    async def forget(self, drawer: str) -> None:
        """As there."""
        await asyncio.shield(in_thread(self._vault.forget, drawer))

    async def lock(self, drawer: str) -> Callable[[], object]:
        """In a thread of its own, since it may wait for one that waits for a thread. Gives what lets go.

        Raises:
            CancelledError: Nobody wants it any more; whoever gets it still lets go at once.
        """
        waiting = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keyfob-lock")
        lock = self._vault.lock(drawer)
        entered: Future[object] = waiting.submit(lock.__enter__)
        waiting.shutdown(wait=False)

        def let_go() -> None:
            lock.__exit__(None, None, None)

        try:
            await asyncio.shield(asyncio.wrap_future(entered))
        except asyncio.CancelledError:
            entered.add_done_callback(lambda done: let_go() if done.exception() is None else None)
            raise
        return let_go

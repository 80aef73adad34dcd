"""One blocking call whose result is shared by all threads and event loops that wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCall(Generic[T]):
    """The first caller that waits runs the call; the others wait for its result."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._claim = threading.Lock()
        self._done: Future[T] = Future()
        # A running future cannot be cancelled: one caller that gives up must not cancel the others' wait.
        self._done.set_running_or_notify_cancel()

    def wait(self) -> T:
        if self._claim.acquire(blocking=False):
            self._run()
        return self._done.result()

    async def wait_async(self) -> T:
        import asyncio  # noqa: PLC0415  38 ms, which an API without an event loop need not spend

        if self._claim.acquire(blocking=False):
            try:
                asyncio.get_running_loop().run_in_executor(None, self._run)
            except RuntimeError:  # the loop is shutting down and starts no thread, but others may wait for this call
                self._run()
        return await asyncio.wrap_future(self._done)

    def _run(self) -> None:
        try:
            result = self._call()
        except BaseException as problem:  # noqa: BLE001  all callers that wait get it, this one too
            self._done.set_exception(problem)
        else:
            self._done.set_result(result)

"""One piece of waiting that is shared by all who need its outcome, in threads and in event loops alike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future


class Flight:
    """Whoever lands first does the work; the others wait for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        """Know the work, and begin with nothing.

        Args:
            work: May block. What it finds it keeps where those who wait will look.
        """
        from concurrent.futures import Future  # 4 ms, and only where somebody waits

        self._work = work
        self._claim = threading.Lock()
        self._done: Future[None] = Future()
        # A future that runs cannot be cancelled: one caller who gives up must not take the others along.
        self._done.set_running_or_notify_cancel()

    def land(self) -> None:
        """Wait for the outcome, in this thread."""
        if self._claim.acquire(blocking=False):
            self._run()
        self._done.result()

    async def land_async(self) -> None:
        """The same without blocking the event loop."""
        import asyncio  # an API that is not async need not wait 38 ms for it

        if self._claim.acquire(blocking=False):
            try:
                asyncio.get_running_loop().run_in_executor(None, self._run)
            except RuntimeError:  # the loop shuts down and takes no more work, but others may wait for this
                self._run()
        await asyncio.wrap_future(self._done)

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as problem:  # noqa: BLE001  whoever waits gets it, the runner too
            self._done.set_exception(problem)
        else:
            self._done.set_result(None)

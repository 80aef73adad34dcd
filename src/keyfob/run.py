"""Run a coroutine that never suspends, without an event loop."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TypeVar

from keyfob.errors import Misuse

T = TypeVar("T")


def run(flow: Coroutine[object, None, T]) -> T:
    """Return the result of a coroutine whose awaited calls block instead of suspending.

    Args:
        flow: The coroutine, which runs to its end in this call. Its exceptions, including KeyboardInterrupt, reach the
            caller.

    Raises:
        Misuse: The coroutine suspended, but this function has no event loop that could resume it.
    """
    try:
        flow.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    flow.close()
    raise Misuse("a blocking world suspended", hint="Use keyfob.login.aio with a World that awaits an event loop.")

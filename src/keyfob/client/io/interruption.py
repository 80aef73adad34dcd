"""Delay the first signal that would end the program, during steps that must not be interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

LIMIT_S: Final = 5.0
_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")

SignalHandler = Callable[[int, FrameType | None], object] | int


class _Hold:
    """The replaced signal handlers and the delayed signal. Only the main thread uses this class."""

    def __init__(self, seconds: float) -> None:
        self.depth = 0
        self._seconds = seconds
        self._before: dict[int, SignalHandler] = {}
        self._sent: int | None = None
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
            handler = signal.getsignal(number)
            # An ignored signal stays ignored, and a handler that is not Python's cannot be called from here.
            if handler is not None and handler != signal.SIG_IGN:
                self._before[number] = handler
                signal.signal(number, self._receive)

    def end(self) -> None:
        """Restore the signal handlers. If a signal was delayed, handle it now."""
        self._restore()
        if self._sent is not None:
            self._act(self._sent)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._sent is None:
            self._sent = number
            self._timer = threading.Timer(self._seconds, _signal_main_thread, (number,))
            self._timer.daemon = True
            self._timer.start()
            return
        # A second signal, or the time limit of the first.
        self._restore()
        self._sent = None
        self._act(number)

    def _restore(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _act(self, number: int) -> None:
        handler = self._before.get(number, signal.SIG_DFL)
        if callable(handler):
            handler(number, None)
        else:
            signal.raise_signal(number)


_hold = _Hold(LIMIT_S)


@contextmanager
def held_back(seconds: float = LIMIT_S) -> Generator[None]:
    """Delay the first SIGINT, SIGTERM or SIGHUP until the end of the block, for at most `seconds`.

    A second signal is handled at once. Outside the main thread, nothing is delayed, because signals interrupt only the
    main thread. If the blocks of several tasks overlap, the signal is handled when the last block ends.
    """
    global _hold  # noqa: PLW0603  signal handlers are global too
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if _hold.depth == 0:
        _hold = _Hold(seconds)
        _hold.begin()
    mine = _hold
    mine.depth += 1
    try:
        yield
    finally:
        mine.depth -= 1
        if mine.depth == 0:
            mine.end()


def _signal_main_thread(number: int) -> None:
    """Send a signal to the main thread, to interrupt the system call in which the main thread waits."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:  # Windows
        signal.raise_signal(number)

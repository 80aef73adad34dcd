"""The first signal is held back for a while, and the second one is not."""

import signal
import sys
import threading
import time

import pytest

from keyfob.client.io.interruption import held_back

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


def test_without_a_signal_nothing_happens_and_the_handlers_are_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with held_back():
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_is_held_back_for_so_long_and_no_longer() -> None:
    """[FC-02]: it then interrupts what the main thread waits for."""
    start = time.monotonic()

    def wait() -> None:
        with held_back(0.05):
            signal.raise_signal(signal.SIGINT)
            threading.Event().wait(30)

    with pytest.raises(KeyboardInterrupt):
        wait()

    assert time.monotonic() - start < 20
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_inside_does_not_hide_the_signal() -> None:
    def fail() -> None:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            raise ValueError

    with pytest.raises(KeyboardInterrupt):
        fail()


def test_overlapping_blocks_act_at_the_end_of_the_last() -> None:
    """Two tasks of one event loop, for example."""
    outer, inner = held_back(), held_back()
    outer.__enter__()
    inner.__enter__()
    signal.raise_signal(signal.SIGINT)
    outer.__exit__(None, None, None)

    with pytest.raises(KeyboardInterrupt):
        inner.__exit__(None, None, None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_back():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_it_does_nothing() -> None:
    def hold() -> None:
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    seen: list[object] = []
    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()

    assert seen == [signal.default_int_handler]

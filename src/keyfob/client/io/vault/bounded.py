"""A time limit for calls into libraries that may hang, such as a keyring's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from keyfob.errors import VaultUnavailable

T = TypeVar("T")

LIMIT_SECONDS: Final = 3.0
PERSON_SECONDS: Final = 90.0  # for typing the password that unlocks a keyring


def within(seconds: float, what: str, work: Callable[[], T]) -> T:
    """Run the work in a thread and return its result. A thread that hangs is abandoned and ends with the process.

    Raises:
        VaultUnavailable: The work took too long (code `key-hung`). Its own errors pass through.
    """
    results: list[T] = []
    problems: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as problem:  # noqa: BLE001  it is raised again in the waiting thread
            problems.append(problem)

    worker = threading.Thread(target=run, name="keyfob-keyring", daemon=True)
    worker.start()
    worker.join(seconds)
    if results:
        return results[0]
    if problems:
        raise problems[0]
    message = f"{what} does not answer (waited {seconds:.0f} s)"
    hint = "Unlock it, or see which other places for the vault's key work."
    raise VaultUnavailable(message, code="key-hung", hint=hint, flags="keyfob vault status")

"""Give somebody else's code a time limit: a keyring that hangs must not take the program with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from keyfob.errors import VaultUnavailable

T = TypeVar("T")

LIMIT_SECONDS: Final = 3.0
PERSON_SECONDS: Final = 90.0  # for typing the password that unlocks a keyring


def within(seconds: float, what: str, work: Callable[[], T]) -> T:
    """What the work gives, if it is done in time. A thread that hangs is left behind, and dies with the process.

    Raises:
        VaultUnavailable: It took too long (code `key-hung`), or said so itself.
    """
    results: list[T] = []
    problems: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as problem:  # noqa: BLE001  it is raised again where somebody waits for it
            problems.append(problem)

    worker = threading.Thread(target=run, name="keyfob-keyring", daemon=True)
    worker.start()
    worker.join(seconds)
    if results:
        return results[0]
    if problems:
        raise problems[0]
    message = f"{what} does not answer (waited {seconds:.0f} s)"
    raise VaultUnavailable(message, code="key-hung", hint="Run: keyfob vault status")

"""The login lock of a profile: a lock that ends with its process, and a note on its holder."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from keyfob.client.io.vault.files import home, make_folder, read_private, sweep, write_private
from keyfob.client.io.vault.lock import locked
from keyfob.client.model.lock_holder import LockHolder
from keyfob.errors import VaultUnavailable


class LoginLockFiles:
    """Two small files for each profile. Every method may raise `VaultUnavailable`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "pending"

    def take(self, name: str, turn: LockHolder) -> tuple[Callable[[], None] | None, LockHolder | None]:
        """Take the lock if it is free, without waiting.

        Returns:
            The function that releases it, and the last holder; or None and the present holder, if it is known.
        """
        stack = self._lock(name)
        if stack is None:
            return None, self.holder(name)
        with stack:
            last = self._last(name)
            sweep(self._note(name))
            self.note(name, replace(turn, pid=os.getpid()))
            return stack.pop_all().close, last

    def note(self, name: str, turn: LockHolder) -> None:
        """Record the holder or its result. Only the holder may call this."""
        write_private(self._note(name), turn.write())

    def holder(self, name: str) -> LockHolder | None:
        """Return the holder of a taken lock. A note with a result is from an earlier holder."""
        last = self._last(name)
        return None if last is None or last.kept is not None else last

    def _lock(self, name: str) -> ExitStack | None:
        """Take the lock, or return None if it is held."""
        make_folder(self.folder)
        stack = ExitStack()
        try:
            stack.enter_context(locked(self.folder / f"{name}.lock", patience=timedelta()))
        except VaultUnavailable as problem:
            if problem.code != "vault-busy":
                raise
            return None
        return stack

    def _last(self, name: str) -> LockHolder | None:
        raw = read_private(self._note(name))
        return None if raw is None else LockHolder.read(raw)

    def _note(self, name: str) -> Path:
        return self.folder / f"{name}.turn"

"""Whose turn it is to log a profile in: a lock that dies with its process, and a note that says who has it."""

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
    """Two small files for each profile. Raises `VaultUnavailable` where they cannot be read or written."""

    def __init__(self, folder: Path | None = None) -> None:
        """Know where; make nothing yet."""
        self.folder = (folder or home()) / "pending"

    def take(self, name: str, turn: LockHolder) -> tuple[Callable[[], None] | None, LockHolder | None]:
        """Take the turn if nobody has it. Does not wait.

        Returns:
            What lets go of it, and whose it was last; or None, and whose it is, as far as that is known.
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
        """Write down whose it is, or what came of it. Only for whoever has it."""
        write_private(self._note(name), turn.write())

    def holder(self, name: str) -> LockHolder | None:
        """Who has the turn, where it is taken: what came of the last one says nothing of who has it now."""
        last = self._last(name)
        return None if last is None or last.kept is not None else last

    def _lock(self, name: str) -> ExitStack | None:
        """The lock, or None where somebody has it.

        Raises:
            VaultUnavailable: There can be none here.
        """
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

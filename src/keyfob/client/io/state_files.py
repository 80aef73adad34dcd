"""State files beside the vault: the features that servers refuse, pending logins, and login locks."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from keyfob.client.io.clocks import moment
from keyfob.client.io.vault.files import home, make_folder, read_private, remove, sweep, write_private
from keyfob.client.io.vault.lock import locked
from keyfob.client.model.login_state import LockHolder, PendingLogin, ServerCapabilities
from keyfob.client.model.profile import Profile
from keyfob.errors import Malformed, Misuse, VaultUnavailable
from keyfob.protocol.secret import Secret


class CapabilityFiles:
    """The features that servers have refused: one file for each client at each issuer. No method raises."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "learned"

    def load(self, issuer: str, client_id: str) -> ServerCapabilities:
        with contextlib.suppress(VaultUnavailable):
            raw = read_private(self._path(issuer, client_id))
            return ServerCapabilities() if raw is None else ServerCapabilities.read(raw)
        return ServerCapabilities()

    def save(self, issuer: str, client_id: str, learned: ServerCapabilities) -> None:
        with contextlib.suppress(VaultUnavailable):
            write_private(self._path(issuer, client_id), learned.write())

    def _path(self, issuer: str, client_id: str) -> Path:
        name = hashlib.sha256(f"{issuer}\n{client_id}".encode()).hexdigest()[:32]
        return self.folder / f"{name}.json"


class PendingFiles:
    """Pending device logins, in one private, unencrypted file for each profile.

    Encryption is not needed, because a file's device code is valid for minutes only, and for one login. Every method
    may raise `VaultUnavailable`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "pending"

    def load(self, name: str) -> Secret | None:
        raw = read_private(self.folder / f"{name}.json")
        return None if raw is None else Secret(raw.decode(errors="replace"))

    def save(self, name: str, kept: Secret | None) -> None:
        """Store a profile's pending login; None as `kept` removes it."""
        path = self.folder / f"{name}.json"
        if kept is None:
            remove(path)
        else:
            write_private(path, kept.reveal().encode())

    def profile(self, name: str) -> Profile | None:
        """Return the profile in the pending login of that name; None if there is no such login or it has expired."""
        kept, now = self.load(name), moment()
        try:
            waiting = None if kept is None else PendingLogin.read(name, kept, now)
        except (Malformed, Misuse):
            return None
        return None if waiting is None or waiting.deadline.wall <= now.wall else waiting.profile


class LoginLockFiles:
    """A login lock for each profile, released when its holder's process ends. Methods may raise `VaultUnavailable`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "pending"

    def take(self, name: str, turn: LockHolder) -> tuple[Callable[[], None] | None, LockHolder | None]:
        """Take the lock if it is free, without waiting.

        Returns:
            If the lock was free: the function that releases it, and its last holder. If another process holds the lock:
            None, and the present holder. In both cases, the holder is None if it is unknown.
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
        """Write the file that describes the lock's holder and its result. Only the lock's holder may call this."""
        write_private(self._note(name), turn.write())

    def holder(self, name: str) -> LockHolder | None:
        """Return the process that holds the lock, which the caller could not take; None if it is unknown.

        It is unknown if the file is missing or damaged, or still describes an earlier holder, who has finished.
        """
        last = self._last(name)
        return None if last is None or last.kept is not None else last

    def _lock(self, name: str) -> ExitStack | None:
        """Take the lock; return None if another process holds it."""
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

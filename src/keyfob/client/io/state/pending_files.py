"""Pending device logins: a file for each profile, so that another process can complete the login."""

from __future__ import annotations

from pathlib import Path

from keyfob.client.io.clocks import moment
from keyfob.client.io.vault.files import home, read_private, remove, write_private
from keyfob.client.model.pending_login import PendingLogin
from keyfob.client.model.profile import Profile
from keyfob.errors import Malformed, Misuse
from keyfob.protocol.secret import Secret


class PendingFiles:
    """The files. Each holds a device code, which is valid for minutes and only once.

    Every method may raise `VaultUnavailable`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "pending"

    def load(self, name: str) -> Secret | None:
        raw = read_private(self.folder / f"{name}.json")
        return None if raw is None else Secret(raw.decode(errors="replace"))

    def save(self, name: str, kept: Secret | None) -> None:
        """Store a pending login, or remove it with None."""
        path = self.folder / f"{name}.json"
        if kept is None:
            remove(path)
        else:
            write_private(path, kept.reveal().encode())

    def profile(self, name: str) -> Profile | None:
        """Return the profile of the pending login of that name, if there is one and it has not expired."""
        kept, now = self.load(name), moment()
        try:
            waiting = None if kept is None else PendingLogin.read(name, kept, now)
        except (Malformed, Misuse):
            return None
        return None if waiting is None or waiting.deadline.wall <= now.wall else waiting.profile

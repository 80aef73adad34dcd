"""Logins by code that wait for their person, a file for each profile, so that another process can go on with them."""

from __future__ import annotations

from pathlib import Path

from keyfob.client.io.clocks import moment
from keyfob.client.io.vault.files import home, read_private, remove, write_private
from keyfob.client.model.pending_login import PendingLogin
from keyfob.client.model.profile import Profile
from keyfob.errors import Malformed, Misuse
from keyfob.protocol.secret import Secret


class PendingFiles:
    """Keeps what waits. It holds a device code, which is good for minutes, and for nothing once it was used."""

    def __init__(self, folder: Path | None = None) -> None:
        """Know where; make nothing yet."""
        self.folder = (folder or home()) / "pending"

    def load(self, name: str) -> Secret | None:
        """What was kept, or None. Raises `VaultUnavailable` when it cannot be read."""
        raw = read_private(self.folder / f"{name}.json")
        return None if raw is None else Secret(raw.decode(errors="replace"))

    def save(self, name: str, kept: Secret | None) -> None:
        """Write it down, or forget it. Raises `VaultUnavailable`."""
        path = self.folder / f"{name}.json"
        if kept is None:
            remove(path)
        else:
            write_private(path, kept.reveal().encode())

    def profile(self, name: str) -> Profile | None:
        """Whose login waits under that name, if any does and there is still time. Raises `VaultUnavailable`."""
        kept, now = self.load(name), moment()
        try:
            waiting = None if kept is None else PendingLogin.read(name, kept, now)
        except (Malformed, Misuse):
            return None
        return None if waiting is None or waiting.deadline.wall <= now.wall else waiting.profile

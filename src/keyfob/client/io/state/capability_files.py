"""What issuers have taught us, a small file for each program at each issuer. Best effort: nothing depends on it."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from keyfob.client.io.vault.files import home, read_private, write_private
from keyfob.client.model.server_capabilities import ServerCapabilities
from keyfob.errors import VaultUnavailable


class CapabilityFiles:
    """Keeps what was learned."""

    def __init__(self, folder: Path | None = None) -> None:
        """Know where; make nothing yet."""
        self.folder = (folder or home()) / "learned"

    def load(self, issuer: str, client_id: str) -> ServerCapabilities:
        """What is known, which may be nothing."""
        with contextlib.suppress(VaultUnavailable):
            raw = read_private(self._path(issuer, client_id))
            return ServerCapabilities() if raw is None else ServerCapabilities.read(raw)
        return ServerCapabilities()

    def save(self, issuer: str, client_id: str, learned: ServerCapabilities) -> None:
        """Write it down, if that can be done."""
        with contextlib.suppress(VaultUnavailable):
            write_private(self._path(issuer, client_id), learned.write())

    def _path(self, issuer: str, client_id: str) -> Path:
        name = hashlib.sha256(f"{issuer}\n{client_id}".encode()).hexdigest()[:32]
        return self.folder / f"{name}.json"

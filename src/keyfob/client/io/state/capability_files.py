"""The server capability cache: a small file for each client at each issuer. Errors are ignored."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from keyfob.client.io.vault.files import home, read_private, write_private
from keyfob.client.model.server_capabilities import ServerCapabilities
from keyfob.errors import VaultUnavailable


class CapabilityFiles:
    """The cache. No method raises."""

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

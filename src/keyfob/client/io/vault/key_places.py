"""The storage places for the vault's key: their protocol, and their lookup by name."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Protocol

from keyfob.client.io.vault.key_headless import KernelKeyring, SystemdCredential
from keyfob.client.io.vault.key_keyring import OsKeyring, SecretService, os_backend
from keyfob.client.io.vault.key_passphrase import Passphrase
from keyfob.client.model.storage_choice import Place
from keyfob.errors import VaultUnavailable


class KeyPlace(Protocol):
    """A storage place for the vault's key, such as a keyring.

    Each method returns within seconds or raises `VaultUnavailable` with one of these codes: `key-absent` (this system
    lacks the place), `key-locked` (the place is locked), `key-hung` (the place does not answer).
    """

    def read(self, *, may_ask: bool) -> bytes | None:
        """Return the key, or None if the place is unlocked and empty. Prompt the user only if `may_ask` is true."""
        ...

    def write(self, key: bytes, *, may_ask: bool) -> None: ...

    def remove(self) -> None:
        """Remove the key if there is one."""
        ...


def open_place(place: Place, home: Path) -> KeyPlace:
    """Return the storage place of that name for the vault's key.

    Args:
        place: The name. "file" raises `VaultUnavailable`, because plain files need no key.
        home: The folder for the files of the places "systemd" and "passphrase".

    Raises:
        VaultUnavailable: This system lacks the place.
    """
    match place:
        case "keyring" if sys.platform in {"darwin", "win32"}:
            return OsKeyring(os_backend())
        case "keyring":
            return SecretService(os.environ)
        case "systemd":
            return SystemdCredential(home / "key.systemd")
        case "kernel":
            return KernelKeyring()
        case "passphrase":
            return Passphrase(home / "key.passphrase")
        case "file":
            raise VaultUnavailable("a plain file needs no key", code="key-absent")

"""Which places for the vault's key there are on this system."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from keyfob.client.io.vault.key_place import KeyPlace
from keyfob.client.model.storage_choice import Place
from keyfob.errors import VaultUnavailable


def open_place(place: Place, home: Path) -> KeyPlace:
    """The place of that name.

    Args:
        place: Not "file", which has no key.
        home: Where files lie that only this place can open.

    Raises:
        VaultUnavailable: This system has none.
    """
    match place:
        case "keyring":
            return _keyring()
        case "systemd":
            from keyfob.client.io.vault.key_systemd import SystemdCredential

            return SystemdCredential(home / "key.systemd")
        case "kernel":
            from keyfob.client.io.vault.key_kernel import KernelKeyring

            return KernelKeyring()
        case "passphrase":
            from keyfob.client.io.vault.key_passphrase import Passphrase

            return Passphrase(home / "key.passphrase")
        case "file":
            raise VaultUnavailable("a plain file has no key", code="key-absent")


def _keyring() -> KeyPlace:
    """This system's own."""
    if sys.platform in {"darwin", "win32"}:
        from keyfob.client.io.vault.key_os_keyring import OsKeyring, os_backend

        return OsKeyring(os_backend())
    from keyfob.client.io.vault.key_secret_service import SecretService

    return SecretService(os.environ)

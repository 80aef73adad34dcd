"""Writing and removing the quick file that `io/quick.py` reads."""

from __future__ import annotations

import os
import time
from pathlib import Path

from keyfob.client.io.vault.files import remove, write_private
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import VaultUnavailable
from keyfob.io import quick

_NEWLINES = ("\n", "\r")


def lay_quick(home: Path, profile: str, state: str, stored: StoredLogin, *, holds_token: bool = True) -> bool:
    """Write the quick file for the next `keyfob token`, and return whether that was possible.

    Args:
        home: The vault's state folder.
        profile: The profile's name.
        state: The vault's state (`state_of`) when `held` was read from it.
        held: The stored login; only its access token is written.
        holds_token: Whether the file may hold the access token, or only its expiry.
    """
    path, its_home = quick.place(profile)
    token = stored.access_token.reveal()
    if not path or Path(its_home) != home or not quick.changes_nothing():
        return False
    if stored.is_bound:
        return False  # a bound token is of no use without its key or certificate
    if not token.isascii() or any(sign in token for sign in _NEWLINES):
        return False
    until = None if stored.expires_at is None else int((stored.expires_at - stored.skew).timestamp())
    usual = int(stored.renewal_window.total_seconds())
    try:
        write_private(Path(path), quick.write(state, int(time.time()), until, usual, token if holds_token else ""))
    except VaultUnavailable:
        return False  # the file is an optimization only
    return True


def drop_quick(home: Path, profile: str) -> None:
    """Remove a profile's quick file from every folder that may hold one.

    Raises:
        VaultUnavailable: It exists and cannot be removed.
    """
    folders = [home / "quick"]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        folders.append(Path(runtime) / "keyfob")
    if hasattr(os, "geteuid"):
        folders.append(Path(f"/run/user/{os.geteuid()}") / "keyfob")
    for folder in folders:
        try:
            remove(folder / profile)
        except VaultUnavailable as problem:
            if problem.code != "vault-readonly":  # a file could not have been written there either
                raise


def state_of(home: Path, profile: str) -> str | None:
    """Return the vault's present state as the quick file records it; None without a login or without settings."""
    try:
        return quick.state_of(str(home), profile)
    except OSError:
        return None

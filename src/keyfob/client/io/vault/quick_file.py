"""Lays the quick file (`io/quick.py`) beside a vault, and takes it away."""

from __future__ import annotations

import os
import time
from pathlib import Path

from keyfob.client.io.vault.files import remove, write_private
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.freshness import usual_window
from keyfob.errors import VaultUnavailable
from keyfob.io import quick

_NEWLINES = ("\n", "\r")


def lay_quick(home: Path, profile: str, state: str, stored: StoredLogin, *, holds_token: bool = True) -> bool:
    """Put the access token where the next `keyfob token` finds it without waking anything; whether that was possible.

    Args:
        home: The vault's.
        profile: Whose token it is.
        state: Of the vault, as it was when `held` was read from it.
        held: The login; its refresh token stays where it is.
        holds_token: Whether the access token may lie there; if not, only how long the one in the vault is good.
    """
    path, its_home = quick.place(profile)
    token = stored.access_token.reveal()
    if not path or Path(its_home) != home or not quick.changes_nothing():
        return False
    if stored.is_bound:
        return False  # of a token that is bound to a key or a certificate there is more to say than its letters
    if not token.isascii() or any(sign in token for sign in _NEWLINES):
        return False
    until = None if stored.expires_at is None else int((stored.expires_at - stored.skew).timestamp())
    usual = int(usual_window(stored).total_seconds())
    try:
        write_private(Path(path), quick.write(state, int(time.time()), until, usual, token if holds_token else ""))
    except VaultUnavailable:
        return False  # it only makes things quicker
    return True


def drop_quick(home: Path, profile: str) -> None:
    """Take the quick file away, wherever this user may have one for that profile.

    Raises:
        VaultUnavailable: It is there and stays.
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
            if problem.code != "vault-readonly":  # what cannot be removed there could not be written either
                raise


def state_of(home: Path, profile: str) -> str | None:
    """The vault's state just now, as the quick file has it; None where there is no login or no settings."""
    try:
        return quick.state_of(str(home), profile)
    except OSError:
        return None

"""Wait for whoever else logs the same profile in, so that a person is asked once and not once for each process."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from keyfob.client.model.account_mismatch import AcceptsLogin
from keyfob.client.model.lock_holder import LockHolder
from keyfob.client.model.notices import LoginInAnotherProcess
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import Vault, World
from keyfob.errors import VaultUnavailable

_BETWEEN_LOOKS: Final = timedelta(milliseconds=250)  # a person who waits for a login elsewhere notices no more
_LOOKS_FOR_A_NAME: Final = 4


async def await_login_lock(
    world: World, vault: Vault, profile: str, holder: LockHolder, accepts: AcceptsLogin, *, however: bool = False
) -> StoredLogin | None:
    """Wait until nobody else logs this profile in.

    Args:
        profile: Its name.
        turn: What is wanted here.
        may_adopt: Asked about what another got.
        however: Whether it does not matter how sure their login is.

    Returns:
        What they got, if it is just what is wanted here. What was there before we came does not count: whoever wants
        a login wants a new one.
    """
    looks = 0
    told: int | None = None
    while True:
        is_ours, other = world.take_login_lock(profile, holder)
        if is_ours:
            break
        looks += 1
        pid = None if other is None else other.pid
        # Who has only just taken the turn has not written down yet who it is.
        is_late = pid is None and told is None and looks == _LOOKS_FOR_A_NAME
        if is_late or pid not in {None, told}:
            told = pid
            world.notify(LoginInAnotherProcess(pid))
        await world.wait(_BETWEEN_LOOKS)
    if not looks or other is None:
        return None
    try:
        stored = await vault.load(profile)
    except VaultUnavailable:
        return None
    return stored if stored is not None and other.brought(stored, holder, however=however) and accepts(stored) else None

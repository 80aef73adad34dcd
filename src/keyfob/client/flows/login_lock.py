"""Wait for another process that logs in with the same profile, so that the user logs in only once."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from keyfob.client.model.assurance import AcceptsLogin
from keyfob.client.model.login_state import LockHolder
from keyfob.client.model.notices import LoginInAnotherProcess
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import Vault, World
from keyfob.errors import VaultUnavailable

_INTERVAL: Final = timedelta(milliseconds=250)
_TRIES_FOR_PID: Final = 4  # a new holder writes its process id only after it took the lock


async def await_login_lock(
    world: World,
    vault: Vault,
    profile: str,
    holder: LockHolder,
    accepts: AcceptsLogin,
    *,
    ignores_assurance: bool = False,
) -> StoredLogin | None:
    """Take the login lock. Wait for other processes that have it.

    Args:
        profile: The profile's name.
        holder: The description of the requested login.
        accepts: Decides whether another process's login may be returned.
        ignores_assurance: Whether to accept a login that was made under other requirements on authentication.

    Returns:
        The login that another process made during the wait, if that login meets this request; else None. A login from
        before the wait is not returned, since the caller wants a new login.
    """
    tries = 0
    shown_pid: int | None = None
    while True:
        is_taken, other = world.take_login_lock(profile, holder)
        if is_taken:
            break
        tries += 1
        pid = None if other is None else other.pid
        if pid not in {None, shown_pid} or (shown_pid is None and tries == _TRIES_FOR_PID):
            shown_pid = pid
            world.notify(LoginInAnotherProcess(pid))
        await world.wait(_INTERVAL)
    if not tries or other is None:
        return None
    try:
        stored = await vault.load(profile)
    except VaultUnavailable:
        return None
    if stored is None or not other.produced(stored, holder, ignores_assurance=ignores_assurance):
        return None
    return stored if accepts(stored) else None

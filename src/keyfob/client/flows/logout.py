"""End a login at the server, and say what is still alive (RFC 7009)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyfob.client.auth.client_auth import OAuthClient, post
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import Vault, World
from keyfob.errors import KeyfobError, LoginRequired, VaultUnavailable
from keyfob.protocol.revocation import RevocationRequest
from keyfob.protocol.secret import Secret

_OK: Final = 200


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """What became of a login.

    Attributes:
        revoked: Whether the server confirmed that the refresh token is dead; None where there was none to end.
        problem: Why not, in words; "" otherwise.
        alive_until: When the access token lapses; APIs that ask nobody take it until then. None when it already has, or
            where nobody knows.
        is_alive: Whether the access token may still be used.
        access_revoked: Whether the server took the access token back, as far as it can; None where it was not asked.
    """

    revoked: bool | None
    problem: str
    alive_until: datetime | None
    is_alive: bool
    access_revoked: bool | None = None


@dataclass(frozen=True, slots=True)
class RemovedLogin:
    """A login that was taken out of the vault, for its end.

    Attributes:
        held: None where it could not be read; `problem` says why.
        stays: Why it could not be forgotten here.
    """

    stored: StoredLogin | None
    problem: str = ""
    stays: VaultUnavailable | None = None


async def remove_login(vault: Vault, entry: str, find: Callable[[], Awaitable[StoredLogin]]) -> RemovedLogin:
    """Forget a login here, whoever holds its lock, so that no server that hangs keeps it from that.

    Args:
        drawer: The profile's.
        find: Finds the login there.

    Raises:
        LoginRequired: There is nothing to end.
    """
    with suppress(VaultUnavailable):  # it is tried again with all the rest, and said there
        await vault.remove_quick(entry)
    try:
        async with vault.lock(entry):
            return await _remove(vault, entry, find)
    except VaultUnavailable:
        return await _remove(vault, entry, find)


async def _remove(vault: Vault, entry: str, find: Callable[[], Awaitable[StoredLogin]]) -> RemovedLogin:
    """Look, and forget whatever was found.

    Raises:
        LoginRequired: Nothing was.
    """
    stored: StoredLogin | None = None
    missing: LoginRequired | None = None
    stays: VaultUnavailable | None = None
    problem = ""
    try:
        stored = await find()
    except LoginRequired as raised:
        missing = raised
    except VaultUnavailable as raised:
        problem = raised.message  # what cannot be read cannot be revoked; it is forgotten all the same
    try:
        await vault.delete(entry)
    except VaultUnavailable as raised:
        stays = raised
    if missing is not None:
        raise stays or missing
    return RemovedLogin(stored, problem, stays)


async def end(world: World, removed: RemovedLogin, client: Callable[[StoredLogin], OAuthClient]) -> LoggedOut:
    """End at the server what was taken out.

    Raises:
        VaultUnavailable: It could not be forgotten here; the server was told all the same.
        KeyfobError: The program has nothing to prove itself with.
    """
    if removed.stored is None:
        done = LoggedOut(revoked=False, problem=removed.problem, alive_until=None, is_alive=True)
    else:
        done = await log_out(world, removed.stored, client(removed.stored))
    if removed.stays is not None:
        raise removed.stays
    return done


async def log_out(world: World, stored: StoredLogin, client: OAuthClient) -> LoggedOut:
    """Revoke the refresh token, then the access token. Never raises for the server's sake.

    A server that does not confirm the first is not asked for more.
    """
    moment = world.now().wall
    is_alive = stored.expires_at is None or stored.expires_at > moment
    alive = stored.expires_at if is_alive else None
    revoked, problem = None, ""
    if stored.refresh_token is not None:
        revoked, problem = await _revoke(world, stored, stored.refresh_token, client)
    if revoked is False or not is_alive or stored.revocation_endpoint is None:
        return LoggedOut(revoked, problem, alive, is_alive)
    access_revoked, _ = await _revoke(world, stored, stored.access_token, client)
    return LoggedOut(revoked, problem, alive, is_alive, access_revoked)


async def _revoke(world: World, stored: StoredLogin, token: Secret, client: OAuthClient) -> tuple[bool, str]:
    if stored.revocation_endpoint is None:
        return False, "it offers no revocation"
    try:
        response = await post(world, client, stored.revocation_endpoint, RevocationRequest("", token).write())
    except KeyfobError as problem:
        return False, problem.message
    if response.status != _OK:
        return False, f"it answered {response.status}"
    return True, ""

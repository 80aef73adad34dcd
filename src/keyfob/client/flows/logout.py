"""End a login at the server, and say what is still alive (RFC 7009)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyfob.client.auth.client_auth import Program, post
from keyfob.client.model.stored_login import Held
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
class Taken:
    """A login that was taken out of the vault, for its end.

    Attributes:
        held: None where it could not be read; `problem` says why.
        stays: Why it could not be forgotten here.
    """

    held: Held | None
    problem: str = ""
    stays: VaultUnavailable | None = None


async def take_out(vault: Vault, drawer: str, find: Callable[[], Awaitable[Held]]) -> Taken:
    """Forget a login here, whoever holds its lock, so that no server that hangs keeps it from that.

    Args:
        drawer: The profile's.
        find: Finds the login there.

    Raises:
        LoginRequired: There is nothing to end.
    """
    with suppress(VaultUnavailable):  # it is tried again with all the rest, and said there
        await vault.put_away(drawer)
    try:
        async with vault.lock(drawer):
            return await _take_out(vault, drawer, find)
    except VaultUnavailable:
        return await _take_out(vault, drawer, find)


async def _take_out(vault: Vault, drawer: str, find: Callable[[], Awaitable[Held]]) -> Taken:
    """Look, and forget whatever was found.

    Raises:
        LoginRequired: Nothing was.
    """
    held: Held | None = None
    missing: LoginRequired | None = None
    stays: VaultUnavailable | None = None
    problem = ""
    try:
        held = await find()
    except LoginRequired as raised:
        missing = raised
    except VaultUnavailable as raised:
        problem = raised.message  # what cannot be read cannot be revoked; it is forgotten all the same
    try:
        await vault.forget(drawer)
    except VaultUnavailable as raised:
        stays = raised
    if missing is not None:
        raise stays or missing
    return Taken(held, problem, stays)


async def end(world: World, taken: Taken, program: Callable[[Held], Program]) -> LoggedOut:
    """End at the server what was taken out.

    Raises:
        VaultUnavailable: It could not be forgotten here; the server was told all the same.
        KeyfobError: The program has nothing to prove itself with.
    """
    if taken.held is None:
        done = LoggedOut(revoked=False, problem=taken.problem, alive_until=None, is_alive=True)
    else:
        done = await log_out(world, taken.held, program(taken.held))
    if taken.stays is not None:
        raise taken.stays
    return done


async def log_out(world: World, held: Held, program: Program) -> LoggedOut:
    """Revoke the refresh token, then the access token. Never raises for the server's sake.

    A server that does not confirm the first is not asked for more.
    """
    moment = world.now().wall
    is_alive = held.expires_at is None or held.expires_at > moment
    alive = held.expires_at if is_alive else None
    revoked, problem = None, ""
    if held.refresh_token is not None:
        revoked, problem = await _revoke(world, held, held.refresh_token, program)
    if revoked is False or not is_alive or held.revocation_endpoint is None:
        return LoggedOut(revoked, problem, alive, is_alive)
    access_revoked, _ = await _revoke(world, held, held.access_token, program)
    return LoggedOut(revoked, problem, alive, is_alive, access_revoked)


async def _revoke(world: World, held: Held, token: Secret, program: Program) -> tuple[bool, str]:
    if held.revocation_endpoint is None:
        return False, "it offers no revocation"
    try:
        response = await post(world, program, held.revocation_endpoint, RevocationRequest("", token).write())
    except KeyfobError as problem:
        return False, problem.message
    if response.status != _OK:
        return False, f"it answered {response.status}"
    return True, ""

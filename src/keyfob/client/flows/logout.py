"""Log out: revoke the tokens at the server and report what stays valid (RFC 7009)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from keyfob.client.auth.client_auth import OAuthClient, post
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import Vault, World
from keyfob.errors import KeyfobError, LoginRequired, VaultUnavailable
from keyfob.protocol.oauth_error import INVALID_TOKEN, OAuthError
from keyfob.protocol.revocation import RevocationRequest
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """The result of a logout.

    Attributes:
        revoked: Whether the server confirmed the refresh token's revocation; None if the login had no refresh token.
        problem: Why the server did not confirm the refresh token's revocation; "" otherwise.
        alive_until: When the access token expires. Until then, APIs that validate tokens offline accept it, even if it
            was revoked. None if the token has expired, or if its lifetime is unknown.
        is_alive: Whether the access token may still be accepted.
        access_revoked: Whether the server confirmed the access token's revocation; None if it was not requested.
    """

    revoked: bool | None
    problem: str
    alive_until: datetime | None
    is_alive: bool
    access_revoked: bool | None = None


@dataclass(frozen=True, slots=True)
class RemovedLogin:
    """The result of deleting a login from the vault, before its tokens are revoked.

    Attributes:
        stored: The login; None if it could not be read, for the reason in `problem`.
        stays: The error that prevented the deletion; None if the login was deleted.
    """

    stored: StoredLogin | None
    problem: str = ""
    stays: VaultUnavailable | None = None


async def remove_login(vault: Vault, entry: str, find: Callable[[], Awaitable[StoredLogin]]) -> RemovedLogin:
    """Delete a stored login. Wait only briefly for its lock, so that a hanging refresh does not block the deletion.

    Args:
        entry: The profile's name.
        find: Loads the login.

    Raises:
        LoginRequired: There is no stored login.
    """
    with suppress(VaultUnavailable):  # `delete` tries again, and reports it
        await vault.remove_quick(entry)
    try:
        async with vault.lock(entry):
            return await _remove(vault, entry, find)
    except VaultUnavailable:
        return await _remove(vault, entry, find)


async def _remove(vault: Vault, entry: str, find: Callable[[], Awaitable[StoredLogin]]) -> RemovedLogin:
    """Load the login, and delete its vault entry. If the login cannot be read, the entry is deleted all the same.

    Raises:
        LoginRequired: There is no stored login.
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
        problem = raised.message  # an unreadable login cannot be revoked, but it can be deleted
    try:
        await vault.delete(entry)
    except VaultUnavailable as raised:
        stays = raised
    if missing is not None:
        raise stays or missing
    return RemovedLogin(stored, problem, stays)


async def end(world: World, removed: RemovedLogin, client: Callable[[StoredLogin], OAuthClient]) -> LoggedOut:
    """Revoke a deleted login's tokens at the server.

    Raises:
        VaultUnavailable: The login could not be deleted; its tokens are revoked nevertheless.
        KeyfobError: The client's credential cannot be read.
    """
    if removed.stored is None:
        done = LoggedOut(revoked=False, problem=removed.problem, alive_until=None, is_alive=True)
    else:
        done = await log_out(world, removed.stored, client(removed.stored))
    if removed.stays is not None:
        raise removed.stays
    return done


async def log_out(world: World, stored: StoredLogin, client: OAuthClient) -> LoggedOut:
    """Revoke the refresh token, then the access token. The result tells what the server confirmed; no error is raised.

    If the server does not confirm the refresh token's revocation, the access token is not revoked.
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
        return False, "it does not support revocation"
    try:
        response = await post(world, client, stored.revocation_endpoint, RevocationRequest("", token).write())
    except KeyfobError as problem:
        return False, problem.message
    error = OAuthError.find(response)
    if error is not None and error.error == INVALID_TOKEN:
        return True, ""  # Keycloak's response for a token that ended with its session
    if response.status != 200:
        return False, f"it responded with status {response.status}"
    return True, ""

"""List and end the logins and browser sessions in the store of a tenant, which may be running."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from keyfob.errors import Misuse
from keyfob.server.keyed_hash import ID_BYTES
from keyfob.server.ports import Store, TimeAndRandom, Transaction
from keyfob.server.records import BrowserSession, RefreshLogin, User
from keyfob.server.settings.config import TenantConfig

MOST_LISTED: Final = 1000
_SESSION_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class LoginShown:
    """A login in a client, or a session of a browser.

    Attributes:
        login_id: The id of the login or session in hex. It is no secret: access tokens contain it as `sid`.
        kind: `refresh` for a login with refresh tokens, `access` for a login with one access token, `session` for a
            browser session.
        user: The user; None if the user was deleted.
        client_id: The client; "" for a session.
        used_at: The time of the last refresh or, for a session, of the last page.
        expires_at: The time at which the login or session expires if it is not used again.
        device: The device that the client claims to run on.
    """

    login_id: str
    kind: Literal["refresh", "access", "session"]
    user_id: str
    user: User | None
    client_id: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    network: str | None
    device: str = ""


@dataclass(frozen=True, slots=True)
class LoginRegistry:
    """The logins of a tenant, for its administrators."""

    store: Store
    surroundings: TimeAndRandom
    config: TenantConfig

    def all(
        self, user: User | None = None, client_id: str | None = None, most: int = MOST_LISTED
    ) -> tuple[LoginShown, ...]:
        """Return the active logins and sessions, the newest first, at most `most`.

        Args:
            user: The user whose logins and sessions to return; None for all users.
            client_id: The client whose logins to return. If None, return the logins in all clients, and the browser
                sessions. Sessions belong to no client, so they are not returned if a client is given.
            most: The greatest number of results.
        """
        now, chosen = self.surroundings.now(), None if user is None else user.user_id

        async def load(transaction: Transaction) -> list[LoginShown]:
            logins = await transaction.logins(now, most, user_id=chosen, client_id=client_id)
            sessions = await transaction.sessions(most, user_id=chosen) if client_id is None else ()
            people: dict[str, User | None] = {}
            for user_id in {one.user_id for one in logins} | {one.user_id for one in sessions}:
                people[user_id] = await transaction.user_by_id(user_id)
            found = [_login(one, people[one.user_id]) for one in logins]
            shown = (_session(one, people[one.user_id], self.config) for one in sessions)
            return [*found, *(one for one in shown if now < one.expires_at)]

        found = asyncio.run(self.store.read(load))
        return tuple(sorted(found, key=lambda one: (one.created_at, one.login_id), reverse=True)[:most])

    def end(self, login_id: str) -> LoginShown:
        """End one login or session, and return it.

        Raises:
            Misuse: The login or session does not exist, or has ended.
        """
        try:
            raw = bytes.fromhex(login_id)
        except ValueError:
            raw = b""

        async def end(transaction: Transaction) -> LoginShown | None:
            if len(raw) == ID_BYTES:
                login = await transaction.refresh_by_id(raw)
                if login is None or login.has_ended:
                    return None
                await transaction.save_refresh(replace(login, has_ended=True))
                return _login(login, await transaction.user_by_id(login.user_id))
            session = await transaction.session(raw) if len(raw) == _SESSION_BYTES else None
            if session is None:
                return None
            await transaction.drop_session(raw)
            return _session(session, await transaction.user_by_id(session.user_id), self.config)

        ended = asyncio.run(self.store.write(end))
        if ended is None:
            raise Misuse("this login does not exist or has ended", hint="`keyfob tenant logins list` shows them.")
        return ended

    def end_all(self, user: User | None = None, client_id: str | None = None) -> int:
        """End the logins of one user or all users, in one client or all clients. Pending logins end too.

        If `client_id` is None, the browser sessions of these users end too.

        Returns:
            The number of ended logins and sessions.
        """
        user_id = None if user is None else user.user_id
        return asyncio.run(self.store.write(lambda transaction: transaction.end_logins(user_id, client_id=client_id)))


def _login(login: RefreshLogin, user: User | None) -> LoginShown:
    return LoginShown(
        login.login_id.hex(),
        "refresh" if login.generation else "access",
        login.user_id,
        user,
        login.client_id,
        login.created_at,
        login.used_at or login.created_at,
        min(login.expires_at, login.idle_expires_at),
        login.network,
        login.device_name,
    )


def _session(session: BrowserSession, user: User | None, config: TenantConfig) -> LoginShown:
    end = min(session.created_at + config.session_absolute, session.seen_at + config.session_idle)
    return LoginShown(
        session.session_hash.hex(),
        "session",
        session.user_id,
        user,
        "",
        session.created_at,
        session.seen_at,
        end,
        session.network,
    )

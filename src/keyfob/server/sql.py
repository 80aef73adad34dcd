"""The transaction of every store, in SQL that works in both SQLite and PostgreSQL.

A store runs the statements, after translating the placeholders `?` if its database uses other placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Final, Protocol, TypeVar

from keyfob.server import rows
from keyfob.server.audit_event import write_line
from keyfob.server.decide.limits import REMEMBERED
from keyfob.server.records import (
    DEFAULT_CONNECTION,
    Authenticator,
    AuthorizationCode,
    BrowserSession,
    Consent,
    DeviceLogin,
    Document,
    Factor,
    KeySlot,
    LoggedEvent,
    MfaLogin,
    PushedRequest,
    RefreshLogin,
    StoredKey,
    Tries,
    User,
)

R = TypeVar("R")
KEPT_AFTER: Final = timedelta(hours=1)  # for this time after its expiry, a code is answered with `expired_token`
_LONGEST_SESSION_S: Final = 400 * 24 * 3600
_ALL: Final = 2**62  # a LIMIT for all rows, since SQLite has no OFFSET without LIMIT
_REFRESH_WITH_USER: Final = (
    f"SELECT {', '.join(rows.REFRESH.columns + rows.PERSON.columns)} FROM refresh_login "  # noqa: S608  fixed words
    "LEFT JOIN person ON person.user_id = refresh_login.user_id WHERE login_id = ?"
)


class SqlConnection(Protocol):
    """One connection to a database, within a transaction."""

    async def query(self, sql: str, *values: object) -> Sequence[rows.Row]: ...

    async def change(self, sql: str, *values: object) -> int:
        """Run a statement that returns no rows. Return how many rows it changed."""
        ...

    async def change_each(self, sql: str, values: Sequence[rows.Row]) -> None:
        """Run a statement once for each list of values. The statement returns no rows."""
        ...

    async def lock_log(self) -> None:
        """Keep other transactions from adding events to the audit log until this transaction ends."""
        ...


class SqlTransaction:
    """Loads and saves records on one connection. The store begins and commits the transaction.

    A `save_...` method adds a record or replaces the record with the same key. A `drop_...` method deletes a record.
    """

    def __init__(self, connection: SqlConnection) -> None:
        self._connection = connection
        self._query = connection.query
        self._change = connection.change

    async def _all(self, table: rows.Table[R], rest: str, *values: object) -> tuple[R, ...]:
        return tuple(map(table.read, await self._query(f"{table.select} {rest}", *values)))

    async def _one(self, table: rows.Table[R], rest: str, *values: object) -> R | None:
        found = await self._query(_select(table, rest), *values)
        return table.read(found[0]) if found else None

    async def _put(self, table: rows.Table[R], record: R) -> None:
        values = table.write(record)
        if await self._change(table.put, *values) == 0:
            await self._change(table.replace, *values)

    async def device_by_code(self, device_code_hash: bytes) -> DeviceLogin | None:
        return await self._one(rows.DEVICE, "device_code_hash = ?", device_code_hash)

    async def polled_device(self, device_code_hash: bytes) -> DeviceLogin | None:
        """Return a device login for a poll.

        A pending login may be outdated by up to `DEVICE_STALENESS` if another process has changed it.
        """
        return await self.device_by_code(device_code_hash)

    async def device_by_user_code(self, user_code_hash: bytes) -> DeviceLogin | None:
        return await self._one(rows.DEVICE, "user_code_hash = ?", user_code_hash)

    async def add_device(self, login: DeviceLogin) -> bool:
        """Add a login. If another pending login has the same user code, change nothing and return False."""
        return await self._change(rows.DEVICE.add, *rows.DEVICE.write(login)) == 1

    async def save_device(self, login: DeviceLogin) -> None:
        await self._put(rows.DEVICE, login)

    async def live_codes(self, now: datetime, most: int) -> int:
        """Return the number of user codes that can still be entered in a browser, or `most` if there are more."""
        sql = (
            "SELECT count(*) FROM (SELECT 1 FROM device_login WHERE expires_s > ? "
            "AND stage IN ('waiting', 'confirmed') LIMIT ?) AS live"
        )
        [(found,)] = await self._query(sql, now.timestamp(), most)
        return int(found)

    async def refresh_by_id(self, login_id: bytes) -> RefreshLogin | None:
        return await self._one(rows.REFRESH, "login_id = ?", login_id)

    async def refresh_with_user(self, login_id: bytes) -> tuple[RefreshLogin, User | None] | None:
        """Return a login and its user, or None for an unknown login. For a deleted user, return (login, None)."""
        found = await self._query(_REFRESH_WITH_USER, login_id)
        if not found:
            return None
        row, width = tuple(found[0]), len(rows.REFRESH.columns)
        login = rows.REFRESH.read(row[:width])
        return login, None if row[width] is None else rows.PERSON.read(row[width:])

    async def save_refresh(self, login: RefreshLogin) -> None:
        await self._put(rows.REFRESH, login)

    async def evict_refreshes(self, user_id: str, client_id: str, keep: int, *, renewable: bool = True) -> int:
        """End all but the `keep` newest logins of a user in a client. Return the number of ended logins.

        If `renewable` is True, consider only logins with refresh tokens, otherwise only logins without. The other
        logins do not end, and are not counted among the `keep`.
        """
        sql = (
            "UPDATE refresh_login SET has_ended = 1 WHERE login_id IN (SELECT login_id FROM refresh_login WHERE "
            "user_id = ? AND client_id = ? AND (generation > 0) = ? AND has_ended = 0 "
            "ORDER BY created_s DESC LIMIT ? OFFSET ?)"
        )
        return await self._change(sql, user_id, client_id, renewable, _ALL, keep)

    async def end_logins(self, user_id: str | None, *, client_id: str | None = None) -> int:
        """End the logins of one user or all users, in one client or all clients. Return the number of ended logins.

        Authorization codes, approved device logins and logins that wait for a second factor end too. If no client is
        named, browser sessions also end, and are counted.

        Args:
            user_id: The user; None for all users.
            client_id: The client; None for all clients.
        """
        where, values = _where(user_id=user_id, client_id=client_id)
        ended = await self._change(f"UPDATE refresh_login SET has_ended = 1 WHERE {where} AND has_ended = 0", *values)  # noqa: S608  fixed words
        await self._change(f"UPDATE device_login SET stage = 'lapsed' WHERE {where} AND stage = 'approved'", *values)  # noqa: S608
        for table in ("authorization_code", "mfa_login"):
            await self._change(f"DELETE FROM {table} WHERE {where}", *values)  # noqa: S608
        if client_id is None:
            ended += await self._change(f"DELETE FROM browser_session WHERE {where}", *values)  # noqa: S608
        return ended

    async def logins(
        self, now: datetime, most: int, *, user_id: str | None = None, client_id: str | None = None
    ) -> tuple[RefreshLogin, ...]:
        """Return at most `most` active logins of one user or all users, in one client or all clients, newest first."""
        where, values = _where(user_id=user_id, client_id=client_id)
        alive = "has_ended = 0 AND expires_s > ? AND idle_expires_s > ?"
        rest = f"WHERE {where} AND {alive} ORDER BY created_s DESC, login_id LIMIT ?"
        return await self._all(rows.REFRESH, rest, *values, now.timestamp(), now.timestamp(), most)

    async def sessions(self, most: int, *, user_id: str | None = None) -> tuple[BrowserSession, ...]:
        """Return at most `most` browser sessions of one user or all users, newest first. Some may have expired."""
        where, values = _where(user_id=user_id)
        return await self._all(
            rows.SESSION, f"WHERE {where} ORDER BY created_s DESC, session_hash LIMIT ?", *values, most
        )

    async def revoke_token(self, mark: bytes, until: datetime) -> None:
        """Store the `revocation_mark` of a revoked access token at least until `until`."""
        sql = (
            "INSERT INTO revoked_token (mark, expires_s) VALUES (?, ?) "
            "ON CONFLICT (mark) DO UPDATE SET expires_s = excluded.expires_s"
        )
        await self._change(sql, mark, until.timestamp())

    async def is_revoked(self, mark: bytes) -> bool:
        return bool(await self._query("SELECT 1 FROM revoked_token WHERE mark = ?", mark))

    async def code(self, code_hash: bytes) -> AuthorizationCode | None:
        return await self._one(rows.CODE, "code_hash = ?", code_hash)

    async def save_code(self, code: AuthorizationCode) -> None:
        await self._put(rows.CODE, code)

    async def pushed(self, uri_hash: bytes) -> PushedRequest | None:
        return await self._one(rows.PUSHED, "uri_hash = ?", uri_hash)

    async def save_pushed(self, pushed: PushedRequest) -> None:
        await self._put(rows.PUSHED, pushed)

    async def consent(self, user_id: str, client_id: str, audience: str) -> Consent | None:
        return await self._one(
            rows.CONSENT, "user_id = ? AND client_id = ? AND audience = ?", user_id, client_id, audience
        )

    async def save_consent(self, consent: Consent) -> None:
        await self._put(rows.CONSENT, consent)

    async def authenticators(self, user_id: str) -> tuple[Authenticator, ...]:
        """Return a user's second factors, oldest first."""
        return await self._all(
            rows.AUTHENTICATOR,
            "WHERE user_id = ? ORDER BY created_s, factor = 'recovery-code', authenticator_id",
            user_id,
        )

    async def authenticator(self, authenticator_id: str) -> Authenticator | None:
        return await self._one(rows.AUTHENTICATOR, "authenticator_id = ?", authenticator_id)

    async def all_authenticators(self, factor: Factor) -> tuple[Authenticator, ...]:
        return await self._all(rows.AUTHENTICATOR, "WHERE factor = ? ORDER BY authenticator_id", factor)

    async def save_authenticator(self, authenticator: Authenticator) -> None:
        await self._put(rows.AUTHENTICATOR, authenticator)

    async def drop_authenticator(self, authenticator_id: str) -> None:
        await self._change("DELETE FROM authenticator WHERE authenticator_id = ?", authenticator_id)

    async def mfa_login(self, token_hash: bytes) -> MfaLogin | None:
        return await self._one(rows.MFA_LOGIN, "token_hash = ?", token_hash)

    async def save_mfa_login(self, login: MfaLogin) -> None:
        await self._put(rows.MFA_LOGIN, login)

    async def use_once(self, replay_key: bytes, until: datetime) -> bool:
        """Store a replay key (the hash of a `jti`) at least until `until`. Return False if it is stored already."""
        sql = "INSERT INTO used_once (mark, expires_s) VALUES (?, ?) ON CONFLICT DO NOTHING"
        return await self._change(sql, replay_key, until.timestamp()) == 1

    async def tries(self, tries_key: bytes) -> Tries | None:
        return await self._one(rows.TRIES, "tries_key = ?", tries_key)

    async def save_tries(self, tries: Tries) -> None:
        await self._put(rows.TRIES, tries)

    async def drop_tries(self, tries_key: bytes) -> None:
        await self._change("DELETE FROM tries WHERE tries_key = ?", tries_key)

    async def session(self, session_hash: bytes) -> BrowserSession | None:
        return await self._one(rows.SESSION, "session_hash = ?", session_hash)

    async def save_session(self, session: BrowserSession) -> None:
        await self._put(rows.SESSION, session)

    async def drop_session(self, session_hash: bytes) -> None:
        await self._change("DELETE FROM browser_session WHERE session_hash = ?", session_hash)

    async def user_by_id(self, user_id: str) -> User | None:
        return await self._one(rows.PERSON, "user_id = ?", user_id)

    async def user_by_email(self, email: str, connection: str = DEFAULT_CONNECTION) -> User | None:
        """Return the user of a connection with an e-mail address, ignoring case."""
        return await self._one(rows.PERSON, "connection = ? AND lower(email) = ?", connection, _lower(email))

    async def users(self) -> tuple[User, ...]:
        """Return all users, sorted by e-mail address."""
        return await self._all(rows.PERSON, "ORDER BY lower(email), connection")

    async def save_user(self, user: User) -> None:
        await self._put(rows.PERSON, user)

    async def drop_user(self, user_id: str) -> None:
        """Delete a user with all records of that user."""
        await self.end_logins(user_id)
        for table in ("person", "refresh_login", "authenticator", "consent"):
            await self._change(f"DELETE FROM {table} WHERE user_id = ?", user_id)  # noqa: S608

    async def documents(self) -> tuple[Document, ...]:
        """Return the stored settings, sorted by kind and name."""
        return await self._all(rows.DOCUMENT, "ORDER BY kind, name")

    async def save_document(self, document: Document) -> None:
        await self._put(rows.DOCUMENT, document)

    async def drop_document(self, kind: str, name: str) -> None:
        await self._change("DELETE FROM document WHERE kind = ? AND name = ?", kind, name)

    async def signing_keys(self) -> tuple[StoredKey, ...]:
        """Return all signing keys, newest first."""
        return await self._all(rows.KEY, "ORDER BY created_s DESC, key_id")

    async def add_key(self, key: StoredKey) -> None:
        """Add or replace a key."""
        await self._put(rows.KEY, key)

    async def drop_key(self, key_id: str) -> None:
        await self._change("DELETE FROM signing_key WHERE key_id = ?", key_id)

    async def key_slots(self) -> tuple[KeySlot, ...]:
        return await self._all(rows.SLOT, "ORDER BY created_s DESC, master_id")

    async def save_key_slot(self, slot: KeySlot) -> None:
        await self._put(rows.SLOT, slot)

    async def drop_key_slot(self, master_id: str) -> None:
        await self._change("DELETE FROM key_slot WHERE master_id = ?", master_id)

    async def log_events(self, events: Sequence[Mapping[str, object]]) -> None:
        """Add events to the table of the audit log."""
        # Transactions that add events run one after the other, so that numbers grow in the order of the commits.
        await self._connection.lock_log()
        [last] = await self._query("SELECT coalesce(max(number), 0) FROM audit_event")
        records = [_logged(number, event) for number, event in enumerate(events, start=last[0] + 1)]
        await self._connection.change_each(rows.EVENT.add, list(map(rows.EVENT.write, records)))

    async def logged_events(self, after: int, most: int) -> tuple[LoggedEvent, ...]:
        """Return at most `most` events with a number greater than `after`, oldest first."""
        return await self._all(rows.EVENT, "WHERE number > ? ORDER BY number LIMIT ?", after, most)

    async def sweep_events(self, before: datetime, keep: int, most: int) -> int:
        """Delete old events, at most `most`, the oldest first. Return the number of deleted events.

        An event is old if it is from before the time `before`, or if it is not among the newest `keep` events.
        """
        [(first,)] = await self._query("SELECT min(number) FROM audit_event")
        [(last,)] = await self._query("SELECT max(number) FROM audit_event")
        if first is None:
            return 0
        # The newest event is never deleted, since the next number is derived from it and no number may be used twice.
        sql = "DELETE FROM audit_event WHERE number < ? AND (at_s < ? OR number <= ?)"
        return await self._change(sql, min(first + most, last), before.timestamp(), last - keep)

    async def sweep(self, now: datetime, most: int, strangers: int = REMEMBERED) -> int:
        """Delete at most `most` expired rows. Return the number of deleted rows.

        Of the counters whose subject an unauthenticated caller chose (`Tries.of_stranger`), at most `strangers` remain.
        """
        late, at_once = (now - KEPT_AFTER).timestamp(), now.timestamp()
        limits = (
            ("device_login", "device_code_hash", "expires_s", late),
            ("authorization_code", "code_hash", "expires_s", late),
            ("mfa_login", "token_hash", "expires_s", late),
            ("pushed_request", "uri_hash", "expires_s", at_once),
            ("used_once", "mark", "expires_s", at_once),
            ("tries", "tries_key", "expires_s", at_once),
            ("revoked_token", "mark", "expires_s", at_once),
            ("refresh_login", "login_id", "expires_s", at_once),
            ("authenticator", "authenticator_id", "expires_s", at_once),
            ("browser_session", "session_hash", "created_s", at_once - _LONGEST_SESSION_S),
        )
        gone = 0
        for table, key, column, before in limits:
            sql = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {column} <= ? LIMIT ?)"  # noqa: S608  fixed words
            gone += await self._change(sql, before, most - gone)
        extra = (
            "DELETE FROM tries WHERE tries_key IN (SELECT tries_key FROM tries WHERE of_stranger = 1 "
            "ORDER BY expires_s DESC LIMIT ? OFFSET ?)"
        )
        return gone + await self._change(extra, most - gone, strangers)


@cache
def _select(table: rows.Table[R], condition: str) -> str:
    """Return a query for whole records. The text is cached, so that the database reuses its prepared statement."""
    return f"{table.select} WHERE {condition}"


def _where(**wanted: str | None) -> tuple[str, list[str]]:
    """Return the SQL condition for the columns whose value is not None, and the values."""
    found = {column: value for column, value in wanted.items() if value is not None}
    return " AND ".join(["1 = 1", *(f"{column} = ?" for column in found)]), list(found.values())


def _logged(number: int, event: Mapping[str, object]) -> LoggedEvent:
    at = datetime.fromisoformat(str(event["date"]))
    return LoggedEvent(number, at, str(event["type"]), str(event.get("user_id", "")), write_line(event))


def _lower(text: str) -> str:
    """Return a text with only its ASCII letters in lower case, as SQL's `lower()` does."""
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")

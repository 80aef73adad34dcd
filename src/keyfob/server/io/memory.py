"""A store in memory, for tests and temporary tenants."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from keyfob.server.ports import Transaction
from keyfob.server.records import (
    DEFAULT_CONNECTION,
    Authenticator,
    AuthorizationCode,
    BrowserSession,
    Consent,
    DeviceLogin,
    Document,
    MfaLogin,
    PushedRequest,
    RefreshLogin,
    StoredKey,
    Tries,
    User,
)

T = TypeVar("T")
_NO_TIME = timedelta()
KEPT_AFTER = timedelta(hours=1)  # an expired code is still answered with `expired_token` for a while


class MemoryTables:
    """The tables, which are also the transaction."""

    def __init__(self) -> None:
        self.devices: dict[bytes, DeviceLogin] = {}
        self.user_codes: dict[bytes, bytes] = {}
        self.refreshes: dict[bytes, RefreshLogin] = {}
        self.sessions: dict[bytes, BrowserSession] = {}
        self.people: dict[str, User] = {}
        self.stored_keys: list[StoredKey] = []
        self.codes: dict[bytes, AuthorizationCode] = {}
        self.pushes: dict[bytes, PushedRequest] = {}
        self.consents: dict[tuple[str, str, str], Consent] = {}
        self.factors: dict[str, Authenticator] = {}
        self.mfa_logins: dict[bytes, MfaLogin] = {}
        self.used: dict[bytes, datetime] = {}
        self.all_tries: dict[bytes, Tries] = {}
        self.revoked: dict[bytes, datetime] = {}
        self.registered: dict[tuple[str, str], Document] = {}

    def device_by_code(self, device_code_hash: bytes) -> DeviceLogin | None:
        return self.devices.get(device_code_hash)

    def device_by_user_code(self, user_code_hash: bytes) -> DeviceLogin | None:
        return self.devices.get(self.user_codes.get(user_code_hash, b""))

    def add_device(self, login: DeviceLogin) -> bool:
        if login.user_code_hash in self.user_codes:
            return False
        self.devices[login.device_code_hash] = login
        self.user_codes[login.user_code_hash] = login.device_code_hash
        return True

    def save_device(self, login: DeviceLogin) -> None:
        self.devices[login.device_code_hash] = login

    def refresh_by_id(self, login_id: bytes) -> RefreshLogin | None:
        return self.refreshes.get(login_id)

    def save_refresh(self, login: RefreshLogin) -> None:
        self.refreshes[login.login_id] = login

    def evict_refreshes(self, user_id: str, client_id: str, keep: int, *, renewable: bool = True) -> int:
        owner = (user_id, client_id, renewable)
        alive = [
            one
            for one in self.refreshes.values()
            if (one.user_id, one.client_id, one.generation > 0) == owner and not one.has_ended
        ]
        oldest = sorted(alive, key=lambda login: login.created_at, reverse=True)[keep:]
        for login in oldest:
            self.refreshes[login.login_id] = replace(login, has_ended=True)
        return len(oldest)

    def end_logins(self, user_id: str, keep_session: bytes = b"") -> None:
        for login in [one for one in self.refreshes.values() if one.user_id == user_id]:
            self.refreshes[login.login_id] = replace(login, has_ended=True)
        for device in [one for one in self.devices.values() if one.user_id == user_id and one.stage == "approved"]:
            self.devices[device.device_code_hash] = replace(device, stage="lapsed")
        self.codes = {key: one for key, one in self.codes.items() if one.user_id != user_id}
        self.mfa_logins = {key: one for key, one in self.mfa_logins.items() if one.user_id != user_id}
        self.sessions = {
            key: one for key, one in self.sessions.items() if one.user_id != user_id or key == keep_session
        }

    def revoke_token(self, mark: bytes, until: datetime) -> None:
        self.revoked[mark] = until

    def is_revoked(self, mark: bytes) -> bool:
        return mark in self.revoked

    def code(self, code_hash: bytes) -> AuthorizationCode | None:
        return self.codes.get(code_hash)

    def save_code(self, code: AuthorizationCode) -> None:
        self.codes[code.code_hash] = code

    def pushed(self, uri_hash: bytes) -> PushedRequest | None:
        return self.pushes.get(uri_hash)

    def save_pushed(self, pushed: PushedRequest) -> None:
        self.pushes[pushed.uri_hash] = pushed

    def consent(self, user_id: str, client_id: str, audience: str) -> Consent | None:
        return self.consents.get((user_id, client_id, audience))

    def save_consent(self, consent: Consent) -> None:
        self.consents[consent.user_id, consent.client_id, consent.audience] = consent

    def authenticators(self, user_id: str) -> tuple[Authenticator, ...]:
        own = (one for one in self.factors.values() if one.user_id == user_id)
        return tuple(sorted(own, key=lambda one: one.created_at))

    def save_authenticator(self, authenticator: Authenticator) -> None:
        self.factors[authenticator.authenticator_id] = authenticator

    def drop_authenticator(self, authenticator_id: str) -> None:
        self.factors.pop(authenticator_id, None)

    def mfa_login(self, token_hash: bytes) -> MfaLogin | None:
        return self.mfa_logins.get(token_hash)

    def save_mfa_login(self, login: MfaLogin) -> None:
        self.mfa_logins[login.token_hash] = login

    def use_once(self, replay_key: bytes, until: datetime) -> bool:
        is_new = replay_key not in self.used
        self.used.setdefault(replay_key, until)
        return is_new

    def tries(self, tries_key: bytes) -> Tries | None:
        return self.all_tries.get(tries_key)

    def save_tries(self, tries: Tries) -> None:
        self.all_tries[tries.tries_key] = tries

    def drop_tries(self, tries_key: bytes) -> None:
        self.all_tries.pop(tries_key, None)

    def session(self, session_hash: bytes) -> BrowserSession | None:
        return self.sessions.get(session_hash)

    def save_session(self, session: BrowserSession) -> None:
        self.sessions[session.session_hash] = session

    def drop_session(self, session_hash: bytes) -> None:
        self.sessions.pop(session_hash, None)

    def user_by_id(self, user_id: str) -> User | None:
        return self.people.get(user_id)

    def user_by_email(self, email: str, connection: str = DEFAULT_CONNECTION) -> User | None:
        wanted = (connection, email.lower())
        return next((user for user in self.people.values() if (user.connection, user.email.lower()) == wanted), None)

    def users(self) -> tuple[User, ...]:
        return tuple(sorted(self.people.values(), key=lambda user: (user.email.lower(), user.connection)))

    def save_user(self, user: User) -> None:
        self.people[user.user_id] = user

    def drop_user(self, user_id: str) -> None:
        self.people.pop(user_id, None)
        self.end_logins(user_id)
        self.refreshes = {key: one for key, one in self.refreshes.items() if one.user_id != user_id}
        self.factors = {key: one for key, one in self.factors.items() if one.user_id != user_id}
        self.consents = {key: one for key, one in self.consents.items() if one.user_id != user_id}

    def documents(self) -> tuple[Document, ...]:
        return tuple(self.registered[key] for key in sorted(self.registered))

    def save_document(self, document: Document) -> None:
        self.registered[document.kind, document.name] = document

    def drop_document(self, kind: str, name: str) -> None:
        self.registered.pop((kind, name), None)

    def signing_keys(self) -> tuple[StoredKey, ...]:
        return tuple(sorted(self.stored_keys, key=lambda key: key.created_at, reverse=True))

    def add_key(self, key: StoredKey) -> None:
        self.stored_keys.append(key)

    def sweep(self, now: datetime, most: int) -> int:
        old = [login for login in self.devices.values() if login.expires_at + KEPT_AFTER <= now][:most]
        for login in old:
            del self.devices[login.device_code_hash]
            self.user_codes.pop(login.user_code_hash, None)
        gone = len(old)
        for table, delay in ((self.codes, KEPT_AFTER), (self.mfa_logins, KEPT_AFTER), (self.pushes, _NO_TIME),
                             (self.refreshes, _NO_TIME), (self.all_tries, _NO_TIME)):  # fmt: skip
            expired = [key for key, one in table.items() if one.expires_at + delay <= now][: most - gone]
            for key in expired:
                del table[key]
            gone += len(expired)
        unproven = [
            one.authenticator_id
            for one in self.factors.values()
            if one.expires_at is not None and one.expires_at <= now
        ][: most - gone]
        for name in unproven:
            del self.factors[name]
        gone += len(unproven)
        for marks in (self.used, self.revoked):
            expired_marks = [key for key, until in marks.items() if until <= now][: most - gone]
            for key in expired_marks:
                del marks[key]
            gone += len(expired_marks)
        return gone


class MemoryStore:
    """Run one function after the other."""

    def __init__(self) -> None:
        self._tables = MemoryTables()
        self._lock = threading.Lock()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        with self._lock:
            return work(self._tables)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        with self._lock:
            before = copy.copy(self._tables)
            before.__dict__ = {name: copy.copy(table) for name, table in self._tables.__dict__.items()}
            try:
                return work(self._tables)
            except BaseException:
                self._tables = before
                raise

    async def close(self) -> None:
        pass

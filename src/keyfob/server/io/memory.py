"""A store in memory: for tests and throw-away tenants. Forgets everything when its process ends."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from keyfob.server.ports import Transaction
from keyfob.server.records import BrowserSession, DeviceLogin, RefreshLogin, StoredKey, User

T = TypeVar("T")
KEPT_AFTER = timedelta(hours=1)  # a lapsed code is still called lapsed for a while


class MemoryTables:
    """The tables, and a transaction over them."""

    def __init__(self) -> None:
        """Empty."""
        self.devices: dict[bytes, DeviceLogin] = {}
        self.user_codes: dict[bytes, bytes] = {}
        self.refreshes: dict[bytes, RefreshLogin] = {}
        self.sessions: dict[bytes, BrowserSession] = {}
        self.users: dict[str, User] = {}
        self.stored_keys: list[StoredKey] = []

    def device_by_code(self, device_code_hash: bytes) -> DeviceLogin | None:
        """By the program's code."""
        return self.devices.get(device_code_hash)

    def device_by_user_code(self, user_code_hash: bytes) -> DeviceLogin | None:
        """By the person's code."""
        return self.devices.get(self.user_codes.get(user_code_hash, b""))

    def add_device(self, login: DeviceLogin) -> bool:
        """Add a login; False when another has its user code."""
        if login.user_code_hash in self.user_codes:
            return False
        self.devices[login.device_code_hash] = login
        self.user_codes[login.user_code_hash] = login.device_code_hash
        return True

    def save_device(self, login: DeviceLogin) -> None:
        """Replace."""
        self.devices[login.device_code_hash] = login

    def refresh_by_id(self, login_id: bytes) -> RefreshLogin | None:
        """By the id in its tokens."""
        return self.refreshes.get(login_id)

    def save_refresh(self, login: RefreshLogin) -> None:
        """Add or replace."""
        self.refreshes[login.login_id] = login

    def session(self, session_hash: bytes) -> BrowserSession | None:
        """By its hash."""
        return self.sessions.get(session_hash)

    def save_session(self, session: BrowserSession) -> None:
        """Add or replace."""
        self.sessions[session.session_hash] = session

    def drop_session(self, session_hash: bytes) -> None:
        """Forget it."""
        self.sessions.pop(session_hash, None)

    def user_by_id(self, user_id: str) -> User | None:
        """By the id."""
        return self.users.get(user_id)

    def user_by_email(self, email: str) -> User | None:
        """By the e-mail, in any case."""
        return next((user for user in self.users.values() if user.email.lower() == email.lower()), None)

    def save_user(self, user: User) -> None:
        """Add or replace."""
        self.users[user.user_id] = user

    def signing_keys(self) -> tuple[StoredKey, ...]:
        """Newest first."""
        return tuple(sorted(self.stored_keys, key=lambda key: key.created_at, reverse=True))

    def add_key(self, key: StoredKey) -> None:
        """Add one."""
        self.stored_keys.append(key)

    def sweep(self, now: datetime, most: int) -> int:
        """Forget what lapsed a while ago."""
        old = [login for login in self.devices.values() if login.expires_at + KEPT_AFTER <= now][:most]
        for login in old:
            del self.devices[login.device_code_hash]
            self.user_codes.pop(login.user_code_hash, None)
        lapsed = [login.login_id for login in self.refreshes.values() if login.expires_at <= now][: most - len(old)]
        for login_id in lapsed:
            del self.refreshes[login_id]
        return len(old) + len(lapsed)


class MemoryStore:
    """Runs one piece of work after the other."""

    def __init__(self) -> None:
        """Empty."""
        self._tables = MemoryTables()
        self._lock = threading.Lock()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that saves nothing."""
        with self._lock:
            return work(self._tables)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run work; when it raises, nothing of it stays."""
        with self._lock:
            before = copy.copy(self._tables)
            before.__dict__ = {name: copy.copy(table) for name, table in self._tables.__dict__.items()}
            try:
                return work(self._tables)
            except BaseException:
                self._tables = before
                raise

    async def close(self) -> None:
        """Nothing to let go of."""

"""What a tenant needs of the world: a store, time and chance, password hashing, pages, somewhere to report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from keyfob.protocol.secret import Secret
from keyfob.server.records import BrowserSession, DeviceLogin, RefreshLogin, StoredKey, User

T = TypeVar("T")


class Transaction(Protocol):
    """Loads and saves within one transaction. Nothing in here may wait for anything."""

    def device_by_code(self, device_code_hash: bytes) -> DeviceLogin | None:
        """By the program's code."""
        ...

    def device_by_user_code(self, user_code_hash: bytes) -> DeviceLogin | None:
        """By the person's code."""
        ...

    def add_device(self, login: DeviceLogin) -> bool:
        """Add a login; False when another live one has its user code."""
        ...

    def save_device(self, login: DeviceLogin) -> None:
        """Replace the login of that device code."""
        ...

    def refresh_by_id(self, login_id: bytes) -> RefreshLogin | None:
        """By the id in its tokens."""
        ...

    def save_refresh(self, login: RefreshLogin) -> None:
        """Add or replace."""
        ...

    def session(self, session_hash: bytes) -> BrowserSession | None:
        """By its hash."""
        ...

    def save_session(self, session: BrowserSession) -> None:
        """Add or replace."""
        ...

    def drop_session(self, session_hash: bytes) -> None:
        """Forget it."""
        ...

    def user_by_id(self, user_id: str) -> User | None:
        """By the id."""
        ...

    def user_by_email(self, email: str) -> User | None:
        """By the e-mail, in any case."""
        ...

    def save_user(self, user: User) -> None:
        """Add or replace."""
        ...

    def signing_keys(self) -> tuple[StoredKey, ...]:
        """All signing keys, newest first."""
        ...

    def add_key(self, key: StoredKey) -> None:
        """Add one."""
        ...

    def sweep(self, now: datetime, most: int) -> int:
        """Forget at most so many rows that have lapsed a while ago; says how many."""
        ...


class Store(Protocol):
    """Runs work in transactions. Work may run again, or on another thread; it must only use what it is given."""

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that saves nothing."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run work alone; all it saves is durable when this returns, or none of it is when work raises."""
        ...

    async def close(self) -> None:
        """Let go of files and threads."""
        ...


class Surroundings(Protocol):
    """Time and chance."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def random(self, size: int) -> bytes:
        """Unguessable bytes."""
        ...


class Passwords(Protocol):
    """Hashing that takes its time, off the event loop."""

    async def hash(self, password: Secret) -> str:
        """A hash to keep."""
        ...

    async def verify(self, password: Secret, hashed: str | None) -> bool:
        """Whether it fits; takes as long for None, an unknown person, as for anybody."""
        ...

    def is_outdated(self, hashed: str) -> bool:
        """Whether it was made with weaker settings than today's."""
        ...


Render = Callable[[str, Mapping[str, object]], bytes]
Audit = Callable[[Mapping[str, object]], None]

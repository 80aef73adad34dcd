"""What a tenant needs of the world: a store, time and chance, password hashing, pages, somewhere to report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from keyfob.protocol.secret import Secret
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
    User,
)

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

    def evict_refreshes(self, user_id: str, client_id: str, keep: int) -> int:
        """End all but the newest logins of one person in one application; says how many ended."""
        ...

    def end_refreshes(self, user_id: str) -> None:
        """End all logins of one person."""
        ...

    def code(self, code_hash: bytes) -> AuthorizationCode | None:
        """By its hash."""
        ...

    def save_code(self, code: AuthorizationCode) -> None:
        """Add or replace."""
        ...

    def pushed(self, uri_hash: bytes) -> PushedRequest | None:
        """By the hash of its address."""
        ...

    def save_pushed(self, pushed: PushedRequest) -> None:
        """Add or replace."""
        ...

    def consent(self, user_id: str, client_id: str, audience: str) -> Consent | None:
        """What that person has let that program do there."""
        ...

    def save_consent(self, consent: Consent) -> None:
        """Add or replace."""
        ...

    def authenticators(self, user_id: str) -> tuple[Authenticator, ...]:
        """A person's second factors, oldest first."""
        ...

    def save_authenticator(self, authenticator: Authenticator) -> None:
        """Add or replace."""
        ...

    def drop_authenticator(self, authenticator_id: str) -> None:
        """Forget it."""
        ...

    def mfa_login(self, token_hash: bytes) -> MfaLogin | None:
        """By the hash of its mfa_token."""
        ...

    def save_mfa_login(self, login: MfaLogin) -> None:
        """Add or replace."""
        ...

    def use_once(self, mark: bytes, until: datetime) -> bool:
        """Whether that mark was not there yet; it stays until then at least (the `jti` of an assertion, a proof)."""
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

    def drop_sessions(self, user_id: str) -> None:
        """Forget all browser sessions of one person."""
        ...

    def user_by_id(self, user_id: str) -> User | None:
        """By the id."""
        ...

    def user_by_email(self, email: str, connection: str = DEFAULT_CONNECTION) -> User | None:
        """By the e-mail, in any case, within a connection."""
        ...

    def users(self) -> tuple[User, ...]:
        """Everybody, by e-mail."""
        ...

    def save_user(self, user: User) -> None:
        """Add or replace."""
        ...

    def drop_user(self, user_id: str) -> None:
        """Forget a person, and all that is theirs."""
        ...

    def documents(self) -> tuple[Document, ...]:
        """All that is registered, by kind and name."""
        ...

    def save_document(self, document: Document) -> None:
        """Add or replace."""
        ...

    def drop_document(self, kind: str, name: str) -> None:
        """Forget it."""
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


class Mailer(Protocol):
    """Whoever brings e-mail to people."""

    async def send(self, to: str, subject: str, text: str) -> None:
        """Send one plain message. Raises `Unreachable` where it cannot be sent."""
        ...


Render = Callable[[str, Mapping[str, object]], bytes]
Draw = Callable[[str], str]  # an address as a QR picture: a data: URL
Audit = Callable[[Mapping[str, object]], None]

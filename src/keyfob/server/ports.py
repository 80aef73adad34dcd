"""The protocols that a tenant requires: store, time and random bytes, password hashing, pages, e-mail, audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from keyfob.protocol.http import Response
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
    Tries,
    User,
)

T = TypeVar("T")


class Transaction(Protocol):
    """Load and save records in one transaction, without IO to anything but the store.

    A `save_...` method adds the record, or replaces the one with the same key. A `drop_...` method deletes it.
    """

    def device_by_code(self, device_code_hash: bytes) -> DeviceLogin | None: ...

    def device_by_user_code(self, user_code_hash: bytes) -> DeviceLogin | None: ...

    def add_device(self, login: DeviceLogin) -> bool:
        """Add a login. Return False if another pending login has its user code."""
        ...

    def save_device(self, login: DeviceLogin) -> None: ...

    def refresh_by_id(self, login_id: bytes) -> RefreshLogin | None: ...

    def save_refresh(self, login: RefreshLogin) -> None: ...

    def evict_refreshes(self, user_id: str, client_id: str, keep: int, *, renewable: bool = True) -> int:
        """End all but the newest logins of a user in a client, with or without refresh tokens. Return how many."""
        ...

    def end_logins(self, user_id: str, keep_session: bytes = b"") -> None:
        """End all that a user's credentials have opened so far.

        That is every login, browser session, authorization code, approved device login, and password that waits for
        its second factor. The session with the hash `keep_session` is kept.
        """
        ...

    def revoke_token(self, mark: bytes, until: datetime) -> None:
        """Store the mark of a revoked access token at least until that time."""
        ...

    def is_revoked(self, mark: bytes) -> bool: ...

    def code(self, code_hash: bytes) -> AuthorizationCode | None: ...

    def save_code(self, code: AuthorizationCode) -> None: ...

    def pushed(self, uri_hash: bytes) -> PushedRequest | None: ...

    def save_pushed(self, pushed: PushedRequest) -> None: ...

    def consent(self, user_id: str, client_id: str, audience: str) -> Consent | None: ...

    def save_consent(self, consent: Consent) -> None: ...

    def authenticators(self, user_id: str) -> tuple[Authenticator, ...]:
        """Return a user's second factors, oldest first."""
        ...

    def save_authenticator(self, authenticator: Authenticator) -> None: ...

    def drop_authenticator(self, authenticator_id: str) -> None: ...

    def mfa_login(self, token_hash: bytes) -> MfaLogin | None: ...

    def save_mfa_login(self, login: MfaLogin) -> None: ...

    def use_once(self, replay_key: bytes, until: datetime) -> bool:
        """Store a replay key (the hash of a `jti`) at least until that time. Return False if it was stored before."""
        ...

    def tries(self, tries_key: bytes) -> Tries | None: ...

    def save_tries(self, tries: Tries) -> None: ...

    def drop_tries(self, tries_key: bytes) -> None: ...

    def session(self, session_hash: bytes) -> BrowserSession | None: ...

    def save_session(self, session: BrowserSession) -> None: ...

    def drop_session(self, session_hash: bytes) -> None: ...

    def user_by_id(self, user_id: str) -> User | None: ...

    def user_by_email(self, email: str, connection: str = DEFAULT_CONNECTION) -> User | None:
        """Return the user of a connection with that e-mail address, ignoring case."""
        ...

    def users(self) -> tuple[User, ...]:
        """Return all users, sorted by e-mail address."""
        ...

    def save_user(self, user: User) -> None: ...

    def drop_user(self, user_id: str) -> None:
        """Delete a user with all records of that user."""
        ...

    def documents(self) -> tuple[Document, ...]:
        """Return the stored settings, sorted by kind and name."""
        ...

    def save_document(self, document: Document) -> None: ...

    def drop_document(self, kind: str, name: str) -> None: ...

    def signing_keys(self) -> tuple[StoredKey, ...]:
        """Return all signing keys, newest first."""
        ...

    def add_key(self, key: StoredKey) -> None: ...

    def sweep(self, now: datetime, most: int) -> int:
        """Delete at most that many rows that expired some time ago. Return how many were deleted."""
        ...


class Store(Protocol):
    """Run functions in transactions. A function may run again, or on another thread."""

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run a function that saves nothing."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run a function in an exclusive transaction: all its changes are durable on return, or none if it raises."""
        ...

    async def close(self) -> None:
        """Close files and stop threads."""
        ...


class TimeAndRandom(Protocol):
    """The current time and random bytes."""

    def now(self) -> datetime:
        """Return the current time: aware, UTC."""
        ...

    def random(self, size: int) -> bytes:
        """Return cryptographically secure random bytes."""
        ...


class Passwords(Protocol):
    """Slow password hashing, off the event loop."""

    async def hash(self, password: Secret) -> str: ...

    async def verify(self, password: Secret, hashed: str | None, network: str = "") -> bool | None:
        """Return whether a password matches; None if it was not checked, since too many are waiting.

        Args:
            password: As typed.
            hashed: The stored hash; None, for an unknown user, takes the same time.
            network: Of the caller. One network cannot take all places of those that wait.
        """
        ...

    def is_outdated(self, hashed: str) -> bool:
        """Return whether a hash has weaker parameters than the current ones."""
        ...


class Mailer(Protocol):
    """Send e-mail."""

    async def send(self, to: str, subject: str, text: str) -> None:
        """Send one plain-text message.

        Raises:
            Unreachable: It could not be sent.
        """
        ...


class Meter(Protocol):
    """Count what happens. Each method returns at once, and fails nothing."""

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        ...

    def token(self, grant: str, response: Response) -> None:
        """Count an answer of /oauth/token. `grant` is a value of ours, or "" before it was read."""
        ...

    def limited(self, limit: Limit) -> None:
        """Count a refusal by a limit."""
        ...


Limit = Literal[
    "client-secrets",
    "device-logins",
    "forms",
    "passwords-of-account",
    "passwords-of-network",
    "passwords-waiting",
    "requests",
    "second-factors",
    "user-codes",
]
Render = Callable[[str, Mapping[str, object]], bytes]
Draw = Callable[[str], str]  # from an address to its QR code, as a data: URL
Audit = Callable[[Mapping[str, object]], None]

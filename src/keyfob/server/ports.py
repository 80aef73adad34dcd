"""The protocols that a tenant requires: store, time and random bytes, password hashing, pages, e-mail, audit log."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from keyfob.protocol.http import Response
from keyfob.protocol.secret import Secret
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

T = TypeVar("T")


class Transaction(Protocol):
    """Load and save records in one transaction.

    A `save_...` method adds the record, or replaces the one with the same key. A `drop_...` method deletes it.
    """

    async def device_by_code(self, device_code_hash: bytes) -> DeviceLogin | None: ...

    async def polled_device(self, device_code_hash: bytes) -> DeviceLogin | None:
        """Return a device login for a poll.

        While it waits for its user, it may be as old as `DEVICE_STALENESS` if another process has changed it.
        """
        ...

    async def device_by_user_code(self, user_code_hash: bytes) -> DeviceLogin | None: ...

    async def add_device(self, login: DeviceLogin) -> bool:
        """Add a login. Return False if another pending login has its user code."""
        ...

    async def save_device(self, login: DeviceLogin) -> None: ...

    async def live_codes(self, now: datetime, most: int) -> int:
        """Return how many user codes a browser may still enter, but at most `most`."""
        ...

    async def refresh_by_id(self, login_id: bytes) -> RefreshLogin | None: ...

    async def refresh_with_user(self, login_id: bytes) -> tuple[RefreshLogin, User | None] | None:
        """Return a login with its user, who may have been deleted."""
        ...

    async def save_refresh(self, login: RefreshLogin) -> None: ...

    async def evict_refreshes(self, user_id: str, client_id: str, keep: int, *, renewable: bool = True) -> int:
        """End all but the newest logins of a user in a client, with or without refresh tokens. Return how many."""
        ...

    async def end_logins(self, user_id: str | None, *, client_id: str | None = None) -> int:
        """End all that a user's credentials have opened so far, in one client or in all. Return how many logins.

        That is every login, authorization code, approved device login, and password that waits for its second factor.
        Without a client it is every browser session too.

        Args:
            user_id: None: of all users.
            client_id: None: in all clients.
        """
        ...

    async def logins(
        self, now: datetime, most: int, *, user_id: str | None = None, client_id: str | None = None
    ) -> tuple[RefreshLogin, ...]:
        """Return the logins that have not ended, newest first, of one user or in one client if wanted."""
        ...

    async def sessions(self, most: int, *, user_id: str | None = None) -> tuple[BrowserSession, ...]:
        """Return the browser sessions, newest first; they may have expired."""
        ...

    async def revoke_token(self, mark: bytes, until: datetime) -> None:
        """Store the mark of a revoked access token at least until that time."""
        ...

    async def is_revoked(self, mark: bytes) -> bool: ...

    async def code(self, code_hash: bytes) -> AuthorizationCode | None: ...

    async def save_code(self, code: AuthorizationCode) -> None: ...

    async def pushed(self, uri_hash: bytes) -> PushedRequest | None: ...

    async def save_pushed(self, pushed: PushedRequest) -> None: ...

    async def consent(self, user_id: str, client_id: str, audience: str) -> Consent | None: ...

    async def save_consent(self, consent: Consent) -> None: ...

    async def authenticators(self, user_id: str) -> tuple[Authenticator, ...]:
        """Return a user's second factors, oldest first."""
        ...

    async def authenticator(self, authenticator_id: str) -> Authenticator | None: ...

    async def all_authenticators(self, factor: Factor) -> tuple[Authenticator, ...]: ...

    async def save_authenticator(self, authenticator: Authenticator) -> None: ...

    async def drop_authenticator(self, authenticator_id: str) -> None: ...

    async def mfa_login(self, token_hash: bytes) -> MfaLogin | None: ...

    async def save_mfa_login(self, login: MfaLogin) -> None: ...

    async def use_once(self, replay_key: bytes, until: datetime) -> bool:
        """Store a replay key (the hash of a `jti`) at least until that time. Return False if it was stored before."""
        ...

    async def tries(self, tries_key: bytes) -> Tries | None: ...

    async def save_tries(self, tries: Tries) -> None: ...

    async def drop_tries(self, tries_key: bytes) -> None: ...

    async def session(self, session_hash: bytes) -> BrowserSession | None: ...

    async def save_session(self, session: BrowserSession) -> None: ...

    async def drop_session(self, session_hash: bytes) -> None: ...

    async def user_by_id(self, user_id: str) -> User | None: ...

    async def user_by_email(self, email: str, connection: str = DEFAULT_CONNECTION) -> User | None:
        """Return the user of a connection with that e-mail address, ignoring case."""
        ...

    async def users(self) -> tuple[User, ...]:
        """Return all users, sorted by e-mail address."""
        ...

    async def save_user(self, user: User) -> None: ...

    async def drop_user(self, user_id: str) -> None:
        """Delete a user with all records of that user."""
        ...

    async def documents(self) -> tuple[Document, ...]:
        """Return the stored settings, sorted by kind and name."""
        ...

    async def save_document(self, document: Document) -> None: ...

    async def drop_document(self, kind: str, name: str) -> None: ...

    async def signing_keys(self) -> tuple[StoredKey, ...]:
        """Return all signing keys, newest first."""
        ...

    async def add_key(self, key: StoredKey) -> None:
        """Add or replace a key."""
        ...

    async def drop_key(self, key_id: str) -> None: ...

    async def key_slots(self) -> tuple[KeySlot, ...]: ...

    async def save_key_slot(self, slot: KeySlot) -> None: ...

    async def drop_key_slot(self, master_id: str) -> None: ...

    async def log_events(self, events: Sequence[Mapping[str, object]]) -> None:
        """Add events to the table of the audit log."""
        ...

    async def logged_events(self, after: int, most: int) -> tuple[LoggedEvent, ...]:
        """Return the oldest events with a higher number."""
        ...

    async def sweep_events(self, before: datetime, keep: int, most: int) -> int:
        """Delete at most that many of the oldest events: those before a time, and all but the newest `keep`."""
        ...

    async def sweep(self, now: datetime, most: int, strangers: int = REMEMBERED) -> int:
        """Delete at most that many rows that expired some time ago. Return how many were deleted.

        Of the attempts of unauthenticated callers, that many are kept.
        """
        ...


Work = Callable[[Transaction], Coroutine[Any, None, T]]


class Store(Protocol):
    """Run functions in transactions. A function awaits nothing but its transaction, and may run again.

    Every method raises `StoreUnavailable` if the database cannot be used now.
    """

    async def read(self, work: Work[T]) -> T:
        """Run a function that saves nothing, on one snapshot."""
        ...

    async def write(self, work: Work[T]) -> T:
        """Run a function as if no other ran at the same time, on any node.

        All its changes are durable on return, or none if it raises.
        """
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

    async def hash_new(self, password: Secret, check: Callable[[], None], network: str) -> str | None:
        """Return the hash of a password that a user has chosen; None if too many are waiting, as at `verify`.

        Args:
            password: As typed.
            check: Called first, off the event loop as well; what it raises is raised here.
            network: Of the caller.
        """
        ...

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

    async def send(self, to: str, subject: str, text: str, html: str = "") -> None:
        """Send one message to one address: as plain text, and the same as HTML if there is any.

        Raises:
            Unreachable: It was not sent. The message is for the operator, and repeats nothing of the e-mail.
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

    def guessed(self, odds: float) -> None:
        """Add the probability that a wrong user code had of hitting a live one."""
        ...


Limit = Literal[
    "client-secrets",
    "device-logins",
    "e-mails",
    "forms",
    "passwords",
    "passwords-waiting",
    "requests",
    "second-factors",
    "user-codes",
]
Render = Callable[[str, Mapping[str, object]], bytes]
Locate = Callable[[str, str], str]  # from a file of places and an address to the place in words, or ""
Draw = Callable[[str], str]  # from an address to its QR code, as a data: URL
Audit = Callable[[Mapping[str, object]], None]

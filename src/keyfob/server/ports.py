"""The protocols that a tenant requires: store, time and random bytes, password hashing, pages, e-mail, audit log."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from keyfob.protocol.http import Response
from keyfob.protocol.secret import Secret
from keyfob.server.sql import SqlTransaction

T = TypeVar("T")


# The SQL is the same for every database, so there is one class of transactions (decision 0040).
Transaction = SqlTransaction
Work = Callable[[Transaction], Coroutine[Any, None, T]]


class Store(Protocol):
    """Runs functions in transactions.

    A function must await only the methods of its transaction. The store can run a function more than once, such as
    after a conflict with another transaction. Only the changes of the last run are stored.

    Every method raises `StoreUnavailable` if the database cannot be used now.
    """

    async def read(self, work: Work[T]) -> T:
        """Run a function that saves nothing, on one snapshot of the data."""
        ...

    async def write(self, work: Work[T]) -> T:
        """Run a function in a transaction that is serializable across all nodes.

        When this method returns, all changes of the function are durable. If this method raises, no change was made.
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

    def random(self, size: int, /) -> bytes:
        """Return cryptographically secure random bytes."""
        ...


class Passwords(Protocol):
    """Slow password hashing outside the event loop."""

    async def hash(self, password: Secret) -> str: ...

    async def hash_new(self, password: Secret, check: Callable[[], None], network: str) -> str | None:
        """Return the hash of a new password.

        Return None if too many passwords wait to be hashed, or if the caller disconnects meanwhile.

        Args:
            password: The password as typed.
            check: A function that is called before the hashing, in the same thread. If it raises, the password is not
                hashed, and this method raises the same exception.
            network: The network of the caller. The number of waiting passwords of one network is limited.
        """
        ...

    async def verify(self, password: Secret, hashed: str | None, network: str = "") -> bool | None:
        """Return whether a password matches its hash.

        Return None if too many passwords wait to be checked, or if the caller disconnects meanwhile.

        Args:
            password: The password as typed.
            hashed: The stored hash; None for an unknown user. For None, the result is False, after the same time as for
                a wrong password.
            network: The network of the caller. The number of waiting passwords of one network is limited.
        """
        ...

    def is_outdated(self, hashed: str) -> bool:
        """Return whether a hash has weaker parameters than the current ones."""
        ...


class Mailer(Protocol):
    """Sends e-mail."""

    async def send(self, to: str, subject: str, text: str, html: str = "") -> None:
        """Send one message to one address, as plain text and, if `html` is not empty, as HTML with the same content.

        Raises:
            Unreachable: The e-mail was not sent. The error's text is for the operator and contains no part of the
                e-mail.
        """
        ...


class Meter(Protocol):
    """Counts events for metrics. Each method returns at once and never raises."""

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request with its response."""
        ...

    def token(self, grant: str, response: Response) -> None:
        """Count a response of /oauth/token. `grant` is the grant type, or "" if the request has no known grant type."""
        ...

    def limited(self, limit: Limit) -> None:
        """Count a request that a limit refused."""
        ...

    def guessed(self, odds: float) -> None:
        """Count a wrong user code by adding `odds` to a counter.

        `odds` is the probability that a code guessed at random would have matched any pending device login.
        """
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
Locate = Callable[[str, str], str]  # (path of a MaxMind DB file, IP address) -> city and country as text, or ""
Draw = Callable[[str], str]  # returns the QR code of a URL as a data: URL
Audit = Callable[[Mapping[str, object]], None]

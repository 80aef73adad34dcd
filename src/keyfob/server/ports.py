"""The protocols that a tenant requires: store, time and random bytes, password hashing, pages, e-mail, audit log."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from keyfob.protocol.http import Response
from keyfob.protocol.secret import Secret
from keyfob.server.sql import SqlTransaction

T = TypeVar("T")


# There is one text of SQL for every database, and so one class of transactions (decision 0040).
Transaction = SqlTransaction
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

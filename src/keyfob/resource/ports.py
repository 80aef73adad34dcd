"""The protocols for the verifier's input and output; `keyfob.resource.io` implements them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from keyfob.jose.keys import KeySet
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.resource.introspected import Introspection, IntrospectionOutcome

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Clock = Callable[[], datetime]
Sender = Callable[[Request], Response]


class Pending(Protocol[T_co]):
    """A call to the issuer. All callers that need its result share it."""

    def wait(self) -> T_co:
        """Return the result. Blocks this thread."""
        ...

    async def wait_async(self) -> T_co:
        """Return the result without blocking the event loop."""
        ...


class Wait(Protocol):
    """How a caller waits: by `Pending.wait` or by `Pending.wait_async`."""

    async def __call__(self, pending: Pending[T], /) -> T:
        """Return the result."""
        ...


class KeySource(Protocol):
    """The signing keys of one issuer."""

    def current(self) -> KeySet | None:
        """Return the keys that may be used without a fetch, or None if a fetch is due and not under way."""
        ...

    def usable(self) -> KeySet:
        """Return the cached keys, stale or not.

        Raises:
            Unreachable: There are none, or they are too old.
        """
        ...

    def refresh(self) -> Pending[None] | None:
        """Return the fetch that replaces missing or stale keys, or None if it is too early to ask again."""
        ...

    def seek(self, key_id: str | None, seen: KeySet) -> Pending[None] | None:
        """Return the fetch that may bring an unknown key, or None if it is too early to ask again.

        Args:
            key_id: The key ID in the token, if any.
            seen: The keys without it. If other keys have arrived since, no fetch is needed.
        """
        ...

    def has_answered(self) -> bool:
        """Return whether the last fetch succeeded. Otherwise a key that is not cached may still exist."""
        ...


class Introspector(Protocol):
    """Asks the issuer about tokens, and caches the answers for a short time."""

    settings: Introspection

    def known(self, digest: bytes, now: datetime) -> IntrospectionOutcome | None:
        """Return the cached outcome for the token with this hash, if there is one."""
        ...

    def ask(self, token: Secret, digest: bytes) -> Pending[IntrospectionOutcome | None]:
        """Return the call that asks the issuer. Its result is None if there was no usable answer."""
        ...

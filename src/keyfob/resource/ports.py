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
    """A call to the issuer, which is shared by all callers that need its result."""

    def wait(self) -> T_co:
        """Wait for the result and return it. The call blocks this thread."""
        ...

    async def wait_async(self) -> T_co:
        """Wait for the result and return it, without blocking the event loop."""
        ...


class Wait(Protocol):
    """A function that waits for a pending call: `Pending.wait` blocks, `Pending.wait_async` suspends."""

    async def __call__(self, pending: Pending[T], /) -> T:
        """Wait for the result of a pending call and return it."""
        ...


class KeySource(Protocol):
    """The signing keys of one issuer."""

    def current(self) -> KeySet | None:
        """Return the cached keys if the caller need not wait for a fetch, else None.

        Fresh keys are always returned. Stale keys are returned while another caller fetches, or if the last fetch was
        too recent for a new one. Return None if a fetch is due. Also return None if no keys are cached, or only keys
        that are too old for `usable`.
        """
        ...

    def usable(self) -> KeySet:
        """Return the cached keys, even if they are stale.

        Raises:
            Unreachable: No keys are cached, or they have been stale for more than a day.
        """
        ...

    def refresh(self) -> Pending[None] | None:
        """Return a fetch of missing or stale keys.

        If a fetch is in progress, return that fetch. Otherwise, return a new fetch. Return None if the keys are fresh,
        or if the last fetch was too recent for a new one.
        """
        ...

    def seek(self, key_id: str | None, seen: KeySet) -> Pending[None] | None:
        """Return a fetch that could find an unknown key.

        If a fetch is in progress, return that fetch. Otherwise, return a new fetch. Return None in three cases: `seen`
        is not the newest cached key set, the last fetch was too recent, or a recent fetch did not find `key_id`.

        Args:
            key_id: The key ID in the token; None if the token has none.
            seen: The keys in which the caller did not find `key_id`.
        """
        ...

    def has_answered(self) -> bool:
        """Return whether the last fetch succeeded. If it failed, a key that is not cached may still exist."""
        ...


class Introspector(Protocol):
    """Introspects tokens at the issuer, and caches the responses for a short time."""

    settings: Introspection

    def known(self, digest: bytes, now: datetime) -> IntrospectionOutcome | None:
        """Return the cached outcome for the token with this hash, or None if there is none."""
        ...

    def ask(self, token: Secret, digest: bytes) -> Pending[IntrospectionOutcome | None]:
        """Return the call that introspects the token. Its result is None if the issuer sent no usable response."""
        ...

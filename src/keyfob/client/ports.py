"""The two protocols that flows use: World (network, clocks, randomness, browser, terminal) and Vault (stored logins).

Flows are coroutines that await the methods of these protocols. If the methods of World and Vault block, the flow runs
without an event loop (`keyfob.run.run`). If the methods suspend, the flow runs in an event loop (`keyfob.login.aio`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeVar

from keyfob.protocol.base64url import base64url

if TYPE_CHECKING:  # a protocol needs its types for checkers only, and these load 60 classes
    from keyfob.client.model.callback import Callback
    from keyfob.client.model.login_state import LockHolder, ServerCapabilities
    from keyfob.client.model.moment import Moment
    from keyfob.client.model.notices import Notice
    from keyfob.client.model.stored_login import StoredLogin
    from keyfob.client.model.surroundings import Surroundings
    from keyfob.protocol.http import Request, Response
    from keyfob.protocol.secret import Secret

T = TypeVar("T")

_WORD_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Redirected:
    """The browser was redirected back to this machine with the `state` of this login."""

    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pasted:
    """The user pasted a text, which may be the redirect URI with the answer."""

    text: Secret


@dataclass(frozen=True, slots=True)
class DeviceRequested:
    """The user asked for the device flow instead of the browser."""


LoginEvent = Redirected | Pasted | DeviceRequested


Kind = Literal["address", "username", "password", "factor", "otp", "binding_code", "recovery_code", "number"]


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt.

    Attributes:
        kind: What the user is asked for, such as "password". Apps that show their own prompt can use it.
        words: The prompt's text.
        is_hidden: Whether the reply must not be visible while the user types it.
        default: The value for an empty reply; "" if there is none.
    """

    kind: Kind
    words: str
    is_hidden: bool = False
    default: str = ""


class World(Protocol):
    """The operations that a flow needs: network, clocks, random bytes, browser, terminal and state files."""

    async def send(self, request: Request) -> Response:
        """Send a request and return the response.

        Raises:
            Unreachable: There is no response.
            Malformed: The response is not usable HTTP.
        """
        ...

    async def uninterrupted(self, act: Coroutine[object, None, T]) -> T:
        """Await `act` to its end. A first interruption is delayed for at most 5 s; a second acts at once."""
        ...

    async def wait(self, span: timedelta) -> None:
        """Return after `span`."""
        ...

    def now(self) -> Moment:
        """Return the present time on both clocks."""
        ...

    def random(self, size: int) -> bytes:
        """Return `size` unpredictable bytes."""
        ...

    def notify(self, notice: Notice) -> None:
        """Show a notice to the user. A `World` without a display drops it."""
        ...

    async def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        """Listen for the redirect that carries `state`; return the redirect URI.

        Raises:
            Misuse: No port is free.
        """
        ...

    async def stop_listening(self, *, succeeded: bool) -> None:
        """Send the waiting browser a page that says whether the login succeeded, and stop the listener.

        Do nothing if there is no listener.
        """
        ...

    async def open_browser(self, address: str) -> bool:
        """Open an address in the browser; return whether a browser was started."""
        ...

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        """Return the first event from the browser or the user; None if there is no event within `span`."""
        ...

    async def ask(self, question: Question) -> Secret:
        """Return the user's answer.

        Raises:
            LoginRequired: There is no user to ask.
        """
        ...

    def surroundings(self) -> tuple[Surroundings, bool]:
        """Return the detected surroundings, and whether a user sees the notices."""
        ...

    def load_capabilities(self, issuer: str, client_id: str) -> ServerCapabilities:
        """Return the cached capabilities of a server for a client."""
        ...

    def save_capabilities(self, issuer: str, client_id: str, capabilities: ServerCapabilities) -> None:
        """Cache the capabilities of a server for a client. An error is ignored."""
        ...

    def save_pending(self, profile: str, kept: Secret | None) -> None:
        """Store a pending login; None as `kept` removes it. An error is ignored."""
        ...

    def load_pending(self, profile: str) -> Secret | None:
        """Return the stored pending login; None if there is none.

        Raises:
            VaultUnavailable: The pending login cannot be read.
        """
        ...

    def take_login_lock(self, profile: str, turn: LockHolder) -> tuple[bool, LockHolder | None]:
        """Try to take the login lock, without waiting.

        Returns:
            If the lock was free: True, and the process that held it last. If another process holds the lock: False, and
            that process. None stands for an unknown process.
        """
        ...

    def record_login(self, profile: str, turn: LockHolder) -> None:
        """Record this login's result, for the processes that wait for the lock. An error is ignored."""
        ...

    def release_login_lock(self) -> None:
        """Release the login lock if this process holds it."""
        ...


class WorldAround:
    """A wrapper that delegates to another World. Subclasses override a few methods."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def send(self, request: Request) -> Response:
        return await self._world.send(request)

    async def uninterrupted(self, act: Coroutine[object, None, T]) -> T:
        return await self._world.uninterrupted(act)

    def now(self) -> Moment:
        return self._world.now()

    async def wait(self, span: timedelta) -> None:
        await self._world.wait(span)

    def random(self, size: int) -> bytes:
        return self._world.random(size)

    def notify(self, notice: Notice) -> None:
        self._world.notify(notice)

    async def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        return await self._world.listen(callbacks, state)

    async def stop_listening(self, *, succeeded: bool) -> None:
        await self._world.stop_listening(succeeded=succeeded)

    async def open_browser(self, address: str) -> bool:
        return await self._world.open_browser(address)

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        return await self._world.next_event(span)

    async def ask(self, question: Question) -> Secret:
        return await self._world.ask(question)

    def surroundings(self) -> tuple[Surroundings, bool]:
        return self._world.surroundings()

    def load_capabilities(self, issuer: str, client_id: str) -> ServerCapabilities:
        return self._world.load_capabilities(issuer, client_id)

    def save_capabilities(self, issuer: str, client_id: str, capabilities: ServerCapabilities) -> None:
        self._world.save_capabilities(issuer, client_id, capabilities)

    def save_pending(self, profile: str, kept: Secret | None) -> None:
        self._world.save_pending(profile, kept)

    def load_pending(self, profile: str) -> Secret | None:
        return self._world.load_pending(profile)

    def take_login_lock(self, profile: str, turn: LockHolder) -> tuple[bool, LockHolder | None]:
        return self._world.take_login_lock(profile, turn)

    def record_login(self, profile: str, turn: LockHolder) -> None:
        self._world.record_login(profile, turn)

    def release_login_lock(self) -> None:
        self._world.release_login_lock()


class Slot(Protocol):
    """Reserved space in the vault for one login: storing the login there cannot fail for lack of space or key."""

    async def save(self, stored: StoredLogin) -> None:
        """Replace the stored login atomically."""
        ...


class Vault(Protocol):
    """Stored logins, one for each profile name. Every method may raise `VaultUnavailable`."""

    async def prepare(self) -> str:
        """Check that a login can be stored.

        Return a message for the user about the storage; "" if there is nothing to report.
        """
        ...

    async def load(self, entry: str, *, is_ending: bool = False) -> StoredLogin | None:
        """Return the stored login; None if there is none.

        Args:
            entry: The profile's name.
            is_ending: Whether the caller will revoke and delete the login. If so, the login is returned even from a
                plain file that the storage policy forbids, because it cannot be revoked unread.
        """
        ...

    async def save(self, entry: str, stored: StoredLogin) -> None:
        """Replace the stored login atomically."""
        ...

    def reserve(self, entry: str) -> AbstractAsyncContextManager[Slot]:
        """Return a context manager that reserves the space for a login.

        On entry it checks policy, key and disk space. So `VaultUnavailable` is raised before any token is requested.
        """
        ...

    async def remove_quick(self, entry: str) -> None:
        """Remove the quick file, a token cache. The stored login stays."""
        ...

    async def delete(self, entry: str) -> None:
        """Delete the stored login, if there is one."""
        ...

    def lock(
        self, entry: str, on_wait: Callable[[int | None], object] | None = None
    ) -> AbstractAsyncContextManager[object]:
        """Return a lock that excludes other processes and threads that refresh the same login.

        Args:
            entry: The profile's name.
            on_wait: Called once, with the holder's process id or None, if the lock is not free after 2 s.
        """
        ...


def random_word(world: World) -> str:
    """Return 43 unpredictable URL-safe characters, for a state, a nonce or a code verifier (RFC 7636 §4.1)."""
    return base64url(world.random(_WORD_BYTES))

"""Who answers a flow's asks, and what keeps tokens."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from keyfob.client.asks import Moment
from keyfob.client.held import Held
from keyfob.client.notices import Notice
from keyfob.protocol.http import Request, Response


class World(Protocol):
    """Answers asks, blocking."""

    def send(self, request: Request) -> Response:
        """Raise `Unreachable` when nobody answers, `Malformed` when the answer is unusable."""
        ...

    def wait(self, span: timedelta) -> None:
        """Return when so much time has passed."""
        ...

    def now(self) -> Moment:
        """Both clocks."""
        ...

    def tell(self, notice: Notice) -> None:
        """Bring it to the person, or swallow it."""
        ...

    def random(self, size: int) -> bytes:
        """Unguessable bytes."""
        ...

    def listen(self, ports: tuple[int, ...], state: str) -> str:
        """Listen on 127.0.0.1 for a browser that brings that state; the callback's address. May raise `Misuse`."""
        ...

    def browse(self, address: str) -> bool:
        """Open an address in the browser; whether one was told to."""
        ...

    def hear(self, span: timedelta) -> Mapping[str, str] | None:
        """What the browser brought, or None after so long; then listen no more."""
        ...


class AsyncWorld(Protocol):
    """As `World`, without blocking the event loop."""

    async def send(self, request: Request) -> Response:
        """As `World.send`."""
        ...

    async def wait(self, span: timedelta) -> None:
        """As `World.wait`."""
        ...

    def now(self) -> Moment:
        """As `World.now`."""
        ...

    def tell(self, notice: Notice) -> None:
        """As `World.tell`."""
        ...

    def random(self, size: int) -> bytes:
        """As `World.random`."""
        ...

    async def listen(self, ports: tuple[int, ...], state: str) -> str:
        """As `World.listen`."""
        ...

    async def browse(self, address: str) -> bool:
        """As `World.browse`."""
        ...

    async def hear(self, span: timedelta) -> Mapping[str, str] | None:
        """As `World.hear`."""
        ...


class Vault(Protocol):
    """Keeps what a login brought, a drawer for each profile."""

    def load(self, drawer: str) -> Held | None:
        """What lies there, or None. Raises `VaultUnavailable`."""
        ...

    def keep(self, drawer: str, held: Held) -> None:
        """Replace what lies there, all or nothing. Raises `VaultUnavailable`."""
        ...

    def forget(self, drawer: str) -> None:
        """Empty the drawer; an empty one stays empty."""
        ...

    def lock(self, drawer: str) -> AbstractContextManager[object]:
        """Hold off other processes and threads that want to refresh the same drawer."""
        ...

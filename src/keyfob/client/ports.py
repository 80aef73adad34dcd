"""Who answers a flow's asks, and what keeps tokens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from keyfob.client.asks import Heard
from keyfob.client.model.callback import Callback
from keyfob.client.model.lock_holder import Turn
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import Notice
from keyfob.client.model.question import Question
from keyfob.client.model.server_capabilities import Learned
from keyfob.client.model.stored_login import Held
from keyfob.client.model.surroundings import Surroundings
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret


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

    def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        """Listen on this machine for a browser that brings that state; the callback's address. May raise `Misuse`."""
        ...

    def browse(self, address: str) -> bool:
        """Open an address in the browser; whether one was told to."""
        ...

    def hear(self, span: timedelta) -> Heard | None:
        """What the browser brought or the person typed, or None after so long."""
        ...

    def hush(self, *, went_well: bool) -> None:
        """Listen no more, tell a browser that waits how it ended, and let go of a turn. Called as every flow ends."""
        ...

    def ask(self, question: Question) -> Secret:
        """What the person at the keyboard answers. May raise `LoginRequired` where nobody is."""
        ...

    def look(self) -> tuple[Surroundings, bool]:
        """What this place is like, and whether a person sees what we tell."""
        ...

    def recall(self, issuer: str, client_id: str) -> Learned:
        """What this issuer has taught us about this program."""
        ...

    def learn(self, issuer: str, client_id: str, learned: Learned) -> None:
        """Remember that, if it can be."""
        ...

    def park(self, profile: str, kept: Secret | None) -> None:
        """Keep a login that waits, if that can be done; None: forget it."""
        ...

    def unpark(self, profile: str) -> Secret | None:
        """What was parked."""
        ...

    def take_turn(self, profile: str, turn: Turn) -> tuple[bool, Turn | None]:
        """Be the one that logs a profile in, at once or not: whether we are, and whose turn it was last, or is."""
        ...

    def note_turn(self, profile: str, turn: Turn) -> None:
        """Write down what came of it, if that can be done."""
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

    async def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        """As `World.listen`."""
        ...

    async def browse(self, address: str) -> bool:
        """As `World.browse`."""
        ...

    async def hear(self, span: timedelta) -> Heard | None:
        """As `World.hear`."""
        ...

    async def hush(self, *, went_well: bool) -> None:
        """As `World.hush`."""
        ...

    async def ask(self, question: Question) -> Secret:
        """As `World.ask`."""
        ...

    def look(self) -> tuple[Surroundings, bool]:
        """As `World.look`."""
        ...

    def recall(self, issuer: str, client_id: str) -> Learned:
        """As `World.recall`."""
        ...

    def learn(self, issuer: str, client_id: str, learned: Learned) -> None:
        """As `World.learn`."""
        ...

    def park(self, profile: str, kept: Secret | None) -> None:
        """As `World.park`."""
        ...

    def unpark(self, profile: str) -> Secret | None:
        """As `World.unpark`."""
        ...

    def take_turn(self, profile: str, turn: Turn) -> tuple[bool, Turn | None]:
        """As `World.take_turn`."""
        ...

    def note_turn(self, profile: str, turn: Turn) -> None:
        """As `World.note_turn`."""
        ...


class Vault(Protocol):
    """Keeps what a login brought, a drawer for each profile."""

    def make_ready(self) -> str:
        """Try out whether a login could be kept; what to tell the person about it, or "". Raises `VaultUnavailable`."""
        ...

    def load(self, drawer: str) -> Held | None:
        """What lies there, or None. Raises `VaultUnavailable`."""
        ...

    def keep(self, drawer: str, held: Held) -> None:
        """Replace what lies there, all or nothing. Raises `VaultUnavailable`."""
        ...

    def put_away(self, drawer: str) -> None:
        """Take back what is laid out for quick use; the drawer stays as it is."""
        ...

    def forget(self, drawer: str) -> None:
        """Empty the drawer; an empty one stays empty."""
        ...

    def lock(self, drawer: str) -> AbstractContextManager[object]:
        """Hold off other processes and threads that want to refresh the same drawer. Raises `VaultUnavailable`."""
        ...


class AsyncVault(Protocol):
    """As `Vault`, without blocking the event loop."""

    async def make_ready(self) -> str:
        """As `Vault.make_ready`."""
        ...

    async def load(self, drawer: str) -> Held | None:
        """As `Vault.load`."""
        ...

    async def keep(self, drawer: str, held: Held) -> None:
        """As `Vault.keep`."""
        ...

    async def put_away(self, drawer: str) -> None:
        """As `Vault.put_away`."""
        ...

    async def forget(self, drawer: str) -> None:
        """As `Vault.forget`."""
        ...

    async def lock(self, drawer: str) -> Callable[[], object]:
        """As `Vault.lock`; gives what lets go, which takes no time."""
        ...

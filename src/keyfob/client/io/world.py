"""The real world that answers a flow: network, clocks, browser, and whoever is to be told."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from keyfob.client.io.clocks import moment
from keyfob.client.model.callback import Callback
from keyfob.client.model.lock_holder import LockHolder
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import Notice
from keyfob.client.model.question import Question
from keyfob.client.model.server_capabilities import ServerCapabilities
from keyfob.client.model.surroundings import Surroundings
from keyfob.client.ports import LoginEvent, Redirected
from keyfob.errors import LoginRequired, VaultUnavailable
from keyfob.io.http import send
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.io.terminal.listener import Listener

Sender = Callable[[Request], Response]
_TICK = 1.0  # a countdown moves once a second, and Ctrl-C answers at once anyway
_GLANCE = 0.1  # how often a terminal is looked at while a browser is awaited


def nobody(_: Notice) -> None:
    """Tell nobody."""


class Screen(Protocol):
    """Where a person sits, as far as waiting goes."""

    def tick(self) -> None:
        """Some time has passed."""
        ...

    def read(self) -> LoginEvent | None:
        """What the person typed meanwhile, if it means anything."""
        ...

    def ask(self, question: Question) -> Secret:
        """What the person answers."""
        ...


class SystemWorld:
    """Blocking. Connections are shared by the whole process, and closed at its end."""

    def __init__(
        self,
        notify: Callable[[Notice], None] | None = None,
        *,
        terminal: Screen | None = None,
        ask: Callable[[Question], Secret] | None = None,
        http: Sender = send,
        home: Path | None = None,
    ) -> None:
        """Know whom to tell and to ask, at which terminal they sit, and where what was learned is kept."""
        self._notify = notify
        self._ask = ask
        self._terminal = terminal
        self._http = http
        self._home = home
        self._listener: Listener | None = None
        self._lets_go: Callable[[], None] | None = None

    async def send(self, request: Request) -> Response:
        """Over the network."""
        return self._http(request)

    async def wait(self, span: timedelta) -> None:
        """By the steady clock, in slices."""
        end = time.monotonic() + span.total_seconds()
        while (left := end - time.monotonic()) > 0:
            self.tick()
            time.sleep(min(left, _TICK))

    def tick(self) -> None:
        """Some time has passed."""
        if self._terminal is not None:
            self._terminal.tick()

    def now(self) -> Moment:
        """Both clocks."""
        return moment()

    def notify(self, notice: Notice) -> None:
        """To whom it may concern."""
        (self._notify or nobody)(notice)

    def random(self, size: int) -> bytes:
        """From the operating system."""
        return secrets.token_bytes(size)

    async def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        """On this machine. Raises `Misuse` when no port is free."""
        from keyfob.client.io.terminal.listener import Listener

        self._listener = Listener(callbacks, state)
        return self._listener.callback

    async def open_browser(self, address: str) -> bool:
        """In this machine's browser."""
        from keyfob.client.io.terminal.open_browser import open_browser

        return open_browser(address, self.surroundings()[0])

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        """By the steady clock, in glances, so that a countdown moves and a key is seen."""
        end = time.monotonic() + span.total_seconds()
        while (left := end - time.monotonic()) > 0:
            found = self.glance(min(left, _GLANCE))
            if found is not None:
                return found
            if self._listener is None:
                time.sleep(min(left, _GLANCE))
        return None

    def glance(self, seconds: float = 0) -> LoginEvent | None:
        """What was typed, or what a browser brings within so long, if anything."""
        self.tick()
        typed = None if self._terminal is None else self._terminal.read()
        if typed is not None:
            return typed
        found = None if self._listener is None else self._listener.hear(seconds)
        return None if found is None else Redirected(found)

    async def stop_listening(self, *, succeeded: bool) -> None:
        if self._listener is not None:
            self._listener.close(went_well=succeeded)
            self._listener = None

    def release_login_lock(self) -> None:
        if self._lets_go is not None:
            self._lets_go()
            self._lets_go = None

    async def ask(self, question: Question) -> Secret:
        """Whoever can be asked.

        Raises:
            LoginRequired: Nobody can.
        """
        if self._ask is not None:
            return self._ask(question)
        if self._terminal is not None:
            return self._terminal.ask(question)
        raise LoginRequired("nobody is here to be asked", code="no-terminal", hint="Run: keyfob login in a terminal.")

    def surroundings(self) -> tuple[Surroundings, bool]:
        """Around; a person is there at a terminal, or where somebody takes what we tell."""
        from keyfob.client.io.detect import look_around

        here = look_around()
        return here, here.has_terminal or (self._notify is not None and self._terminal is None)

    def load_capabilities(self, issuer: str, client_id: str) -> ServerCapabilities:
        """From a small file."""
        from keyfob.client.io.state.capability_files import CapabilityFiles

        return CapabilityFiles(self._home).load(issuer, client_id)

    def save_capabilities(self, issuer: str, client_id: str, capabilities: ServerCapabilities) -> None:
        """Into a small file."""
        from keyfob.client.io.state.capability_files import CapabilityFiles

        CapabilityFiles(self._home).save(issuer, client_id, capabilities)

    def save_pending(self, profile: str, kept: Secret | None) -> None:
        """In a file that only its owner may read; best effort, since the login goes on here anyway."""
        from keyfob.client.io.state.pending_files import PendingFiles

        with contextlib.suppress(VaultUnavailable):
            PendingFiles(self._home).save(profile, kept)

    def load_pending(self, profile: str) -> Secret | None:
        """From that file. Raises `VaultUnavailable` when it cannot be read."""
        from keyfob.client.io.state.pending_files import PendingFiles

        return PendingFiles(self._home).load(profile)

    def take_login_lock(self, profile: str, turn: LockHolder) -> tuple[bool, LockHolder | None]:
        """By a lock; where there can be none, nobody is held off."""
        from keyfob.client.io.state.login_lock_files import LoginLockFiles

        try:
            lets_go, turn_of_other = LoginLockFiles(self._home).take(profile, turn)
        except VaultUnavailable:
            return True, None
        self._lets_go = lets_go
        return lets_go is not None, turn_of_other

    def record_login(self, profile: str, turn: LockHolder) -> None:
        """Beside the lock; best effort, since those who wait then log in by themselves."""
        from keyfob.client.io.state.login_lock_files import LoginLockFiles

        if self._lets_go is not None:
            with contextlib.suppress(VaultUnavailable):
                LoginLockFiles(self._home).note(profile, turn)

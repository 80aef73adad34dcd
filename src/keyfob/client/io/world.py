"""The real implementation of `World`: network, clocks, browser, terminal and state files. Its methods block."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from keyfob.client.io.clocks import moment
from keyfob.client.ports import LoginEvent, Redirected
from keyfob.errors import LoginRequired, VaultUnavailable
from keyfob.lazy import LazyModule
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.io import interruption, state_files
    from keyfob.client.io.terminal.listener import Listener
    from keyfob.client.model.callback import Callback
    from keyfob.client.model.login_state import LockHolder, ServerCapabilities
    from keyfob.client.model.moment import Moment
    from keyfob.client.model.notices import Notice
    from keyfob.client.model.surroundings import Surroundings
    from keyfob.client.ports import Question
    from keyfob.io import http as shared_http
    from keyfob.protocol.http import Request, Response
else:  # 15 ms, and to return a valid stored token needs none of these modules
    interruption = LazyModule("keyfob.client.io.interruption")
    state_files = LazyModule("keyfob.client.io.state_files")
    shared_http = LazyModule("keyfob.io.http")

T = TypeVar("T")

Sender = Callable[["Request"], "Response"]
_TICK_S = 1.0  # how often the countdown moves
_GLANCE_S = 0.1  # how often the terminal is read while the listener waits


class Screen(Protocol):
    """The methods of the user's terminal that are called while keyfob waits for an event."""

    def tick(self) -> None:
        """Update the countdown."""
        ...

    def read(self) -> LoginEvent | None:
        """Return the event for a key that the user pressed or a text that the user pasted; None without input."""
        ...

    def ask(self, question: Question) -> Secret:
        """Return the user's answer."""
        ...


class SystemWorld:
    """The network, clocks, user and files of this process. All instances share the HTTP connections of the process."""

    def __init__(
        self,
        notify: Callable[[Notice], None] | None = None,
        *,
        terminal: Screen | None = None,
        ask: Callable[[Question], Secret] | None = None,
        http: Sender | None = None,
        home: Path | None = None,
    ) -> None:
        """Store the arguments.

        Args:
            notify: The function that receives notices; None drops notices.
            terminal: The terminal to update and to read while keyfob waits; None for none.
            ask: The function that answers questions to the user; None to ask at the terminal.
            http: The function that sends HTTP requests; None for the process's shared connections.
            home: The folder of state files; None for the platform's folder.
        """
        self._notify = notify
        self._ask = ask
        self._terminal = terminal
        self._http = http
        self._home = home
        self._listener: Listener | None = None
        self._release: Callable[[], None] | None = None

    async def send(self, request: Request) -> Response:
        return (self._http or shared_http.send)(request)

    async def uninterrupted(self, act: Coroutine[object, None, T]) -> T:
        with interruption.held_back():
            return await act

    async def wait(self, span: timedelta) -> None:
        end = time.monotonic() + span.total_seconds()
        while (left := end - time.monotonic()) > 0:
            self.tick()
            time.sleep(min(left, _TICK_S))

    def tick(self) -> None:
        """Update the terminal's countdown."""
        if self._terminal is not None:
            self._terminal.tick()

    def now(self) -> Moment:
        return moment()

    def notify(self, notice: Notice) -> None:
        if self._notify is not None:
            self._notify(notice)

    def random(self, size: int) -> bytes:
        return os.urandom(size)

    async def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        from keyfob.client.io.terminal.listener import Listener  # noqa: PLC0415  loads http.server: 15 ms, for a login by browser

        self._listener = Listener(callbacks, state)
        return self._listener.callback

    async def open_browser(self, address: str) -> bool:
        from keyfob.client.io.detect import open_browser  # noqa: PLC0415  as in `surroundings`

        return open_browser(address, self.surroundings()[0])

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        end = time.monotonic() + span.total_seconds()
        while (left := end - time.monotonic()) > 0:
            event = self.glance(min(left, _GLANCE_S))
            if event is not None:
                return event
            if self._listener is None:
                time.sleep(min(left, _GLANCE_S))
        return None

    def glance(self, seconds: float = 0) -> LoginEvent | None:
        """Return an event from the terminal or, if there is none, the browser's redirect. None if neither has happened.

        Args:
            seconds: How long to wait for the redirect.
        """
        self.tick()
        typed = None if self._terminal is None else self._terminal.read()
        if typed is not None:
            return typed
        parameters = None if self._listener is None else self._listener.receive(seconds)
        return None if parameters is None else Redirected(parameters)

    async def stop_listening(self, *, succeeded: bool) -> None:
        if self._listener is not None:
            self._listener.close(succeeded=succeeded)
            self._listener = None

    async def ask(self, question: Question) -> Secret:
        if self._ask is not None:
            return self._ask(question)
        if self._terminal is not None:
            return self._terminal.ask(question)
        raise LoginRequired("nobody is here to be asked", code="no-terminal")

    def surroundings(self) -> tuple[Surroundings, bool]:
        from keyfob.client.io.detect import look_around  # noqa: PLC0415  loads webbrowser: 4 ms, and a stored token needs none

        surroundings = look_around()
        return surroundings, surroundings.has_terminal or (self._notify is not None and self._terminal is None)

    def load_capabilities(self, issuer: str, client_id: str) -> ServerCapabilities:
        return state_files.CapabilityFiles(self._home).load(issuer, client_id)

    def save_capabilities(self, issuer: str, client_id: str, capabilities: ServerCapabilities) -> None:
        state_files.CapabilityFiles(self._home).save(issuer, client_id, capabilities)

    def save_pending(self, profile: str, kept: Secret | None) -> None:
        with contextlib.suppress(VaultUnavailable):
            state_files.PendingFiles(self._home).save(profile, kept)

    def load_pending(self, profile: str) -> Secret | None:
        return state_files.PendingFiles(self._home).load(profile)

    def take_login_lock(self, profile: str, turn: LockHolder) -> tuple[bool, LockHolder | None]:
        try:
            self._release, other = state_files.LoginLockFiles(self._home).take(profile, turn)
        except VaultUnavailable:
            return True, None  # if no lock can be created, every process logs in by itself
        return self._release is not None, other

    def record_login(self, profile: str, turn: LockHolder) -> None:
        if self._release is not None:
            with contextlib.suppress(VaultUnavailable):
                state_files.LoginLockFiles(self._home).note(profile, turn)

    def release_login_lock(self) -> None:
        if self._release is not None:
            self._release()
            self._release = None

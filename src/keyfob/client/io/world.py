"""The real world that answers a flow: network, clocks, and whoever is to be told."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from keyfob.client.asks import Moment
from keyfob.client.notices import Notice
from keyfob.io.http import send
from keyfob.protocol.http import Request, Response

if TYPE_CHECKING:
    from keyfob.client.io.listener import Listener

Sender = Callable[[Request], Response]
_TICK = 1.0  # a countdown moves once a second, and Ctrl-C answers at once anyway


def moment() -> Moment:
    """Both clocks."""
    return Moment(datetime.now(UTC), timedelta(seconds=time.monotonic()))


def nobody(_: Notice) -> None:
    """Tell nobody."""


def idle() -> None:
    """Let a second pass unseen."""


class SystemWorld:
    """Blocking. Connections are shared by the whole process, and closed at its end."""

    def __init__(
        self,
        tell: Callable[[Notice], None] = nobody,
        *,
        tick: Callable[[], None] = idle,
        http: Sender = send,
    ) -> None:
        """Know whom to tell, and who wants to hear every second while waiting."""
        self._tell = tell
        self._tick = tick
        self._http = http
        self._listener: Listener | None = None

    def send(self, request: Request) -> Response:
        """Over the network."""
        return self._http(request)

    def wait(self, span: timedelta) -> None:
        """By the steady clock, in slices."""
        end = time.monotonic() + span.total_seconds()
        while (left := end - time.monotonic()) > 0:
            self._tick()
            time.sleep(min(left, _TICK))

    def now(self) -> Moment:
        """Both clocks."""
        return moment()

    def tell(self, notice: Notice) -> None:
        """To whom it may concern."""
        self._tell(notice)

    def random(self, size: int) -> bytes:
        """From the operating system."""
        return secrets.token_bytes(size)

    def listen(self, ports: tuple[int, ...], state: str) -> str:
        """On 127.0.0.1, until somebody was heard or nobody came. Raises `Misuse` when no port is free."""
        from keyfob.client.io.listener import Listener

        self._listener = Listener(ports, state)
        return self._listener.callback

    def browse(self, address: str) -> bool:
        """In this machine's browser."""
        from keyfob.client.io.browser import open_browser

        return open_browser(address)

    def hear(self, span: timedelta) -> Mapping[str, str] | None:
        """By the steady clock, in slices, so that a countdown moves."""
        if self._listener is None:
            return None
        end, found = time.monotonic() + span.total_seconds(), None
        try:
            while found is None and (left := end - time.monotonic()) > 0:
                self._tick()
                found = self._listener.hear(min(left, _TICK))
        finally:
            self._listener.close()
            self._listener = None
        return found

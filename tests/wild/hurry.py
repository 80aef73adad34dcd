"""A world for keyfob's client where waiting takes no time, and the person acts while the program waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from keyfob.client.io.world import SystemWorld
from keyfob.client.model.login_state import LockHolder
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import ScopeNarrowed
from keyfob.client.ports import LoginEvent
from keyfob.io import http
from keyfob.login import CodeShown, Notice
from keyfob.protocol.http import Request, Response
from keyfob.protocol.oauth_error import OAuthError
from keyfob.protocol.secret import Secret

Act = Callable[[CodeShown], object]
LONGEST_VISIT = timedelta(seconds=20)


def nothing(_: CodeShown) -> None:
    """The person is elsewhere."""


class Hurry(SystemWorld):
    """The real network and the real listener; both clocks run ahead by what was waited for.

    Attributes:
        told: What the person was told.
        waited: How long the program waited, each time.
        errors: What the server said no with, in order; None where it used no word.
        pauses: How many seconds really pass, in the first, second, ... time of waiting; none after that.
        later: How much time has passed besides.
    """

    def __init__(self, *meanwhile: Act, visit: Callable[[str], object] | None = None) -> None:
        """Know what the person does.

        Args:
            meanwhile: What happens in the first, second, ... time of waiting.
            visit: What the browser does with an address that it is given; None where there is no browser.
        """
        super().__init__(self._keep, http=self._send_and_note)
        self.told: list[Notice] = []
        self.waited: list[timedelta] = []
        self.errors: list[str | None] = []
        self._meanwhile = iter(meanwhile)
        self._visit = visit
        self.pauses: tuple[float, ...] = ()
        self.later = timedelta()

    @property
    def shown(self) -> CodeShown:
        """The code for the person."""
        return next(notice for notice in self.told if isinstance(notice, CodeShown))

    @property
    def missing(self) -> set[str]:
        """The scopes that the person was told of, since the server did not grant them."""
        return {name for notice in self.told if isinstance(notice, ScopeNarrowed) for name in notice.missing}

    def _keep(self, notice: Notice) -> None:
        self.told.append(notice)

    def _send_and_note(self, request: Request) -> Response:
        response = http.send(request)
        if response.status >= 400:
            error = OAuthError.find(response)
            self.errors.append(error.error if error else None)
        return response

    async def wait(self, span: timedelta) -> None:
        """Let the person act."""
        self.waited.append(span)
        next(self._meanwhile, nothing)(self.shown)
        await super().wait(timedelta(seconds=dict(enumerate(self.pauses, 1)).get(len(self.waited), 0)))

    def now(self) -> Moment:
        """Both clocks, ahead."""
        real, ahead = super().now(), self.later + sum(self.waited, timedelta())
        return Moment(real.wall + ahead, real.steady + ahead)

    async def open_browser(self, address: str) -> bool:
        """Let the browser go there, beside the program."""
        if self._visit is not None:
            threading.Thread(target=self._visit, args=(address,), daemon=True).start()
        return self._visit is not None

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        """As in the real world, but no test waits for ten minutes."""
        heard = await super().next_event(min(span, LONGEST_VISIT))
        self.later += timedelta() if heard else span
        return heard

    def save_pending(self, profile: str, kept: Secret | None) -> None:
        """Nobody takes over from these programs."""

    def take_login_lock(self, profile: str, turn: LockHolder) -> tuple[bool, LockHolder | None]:  # noqa: ARG002
        """Nobody else logs in to what these programs keep."""
        return True, None

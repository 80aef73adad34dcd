"""A `World` (network, clock, user) for tests of a client. Its server sends prepared responses and checks no request."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from keyfob.client.model.callback import Callback
from keyfob.client.model.login_state import LockHolder, ServerCapabilities
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import Notice
from keyfob.client.model.surroundings import Surroundings
from keyfob.client.ports import LoginEvent, Question, Redirected
from keyfob.errors import KeyfobError, LoginRequired, Unreachable
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.testing.fake_time import FakeTime

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Silence:
    """An answer of a script: the server accepts the connection, but sends no response until the client gives up."""

    lasts: timedelta = timedelta(seconds=20)


Answer = Response | KeyfobError | Silence


class ScriptedWorld:
    """A World for a flow: a clock that advances without waiting, and a scripted server.

    Attributes:
        time: The clocks.
        sent: Every request with its time since the start, in order.
        notices: Every notice, in order.
        brings: The parameters of the browser's redirect; None for no redirect.
        events: The events of the login, in order, each with its time since the start. The redirect follows them.
        went_well: The argument `succeeded` of the call of `stop_listening`; None before that call.
        here: The environment that the flow sees, such as whether there is a browser.
        has_user: Whether a user sees the notices.
        capabilities: The cached server capabilities, by issuer and client ID.
        parked: The saved pending logins, by profile.
        answers: The answers that the user will give, in order.
        asked: The questions that the user was asked.
        address: The address that was opened in the browser.
        state: The state of the redirect that the flow waits for.
        elsewhere: The other processes that hold the login lock, one for each of the next attempts to take the lock.
            Afterwards the lock is free.
        lock_holders: The last holder of the login lock, by profile.
        meanwhile: The functions to call during a request, by path. The function with the key "turn" is called before
            each attempt to take the login lock.
    """

    def __init__(self, script: Mapping[str, Sequence[Answer]], time: FakeTime | None = None) -> None:
        """Start at the beginning of a script.

        Args:
            script: The answers for each path, in order. The last answer repeats. Other paths are unreachable.
            time: The clocks, which other parties can share; None for new clocks.
        """
        self.time = time or FakeTime()
        self.sent: list[tuple[timedelta, Request]] = []
        self.notices: list[Notice] = []
        self.brings: Mapping[str, str] | None = None
        self.events: list[tuple[timedelta, LoginEvent]] = []
        self.went_well: bool | None = None
        self.here = Surroundings(has_screen=True, browser="firefox")
        self.has_user = True
        self.capabilities: dict[tuple[str, str], ServerCapabilities] = {}
        self.parked: dict[str, Secret] = {}
        self.answers: list[str] = []
        self.asked: list[Question] = []
        self.address = self.state = ""
        self.elsewhere: list[LockHolder | None] = []
        self.lock_holders: dict[str, LockHolder] = {}
        self.meanwhile: dict[str, Callable[[], object]] = {}
        self._random_calls = 0
        self._script = {path: list(answers) for path, answers in script.items()}

    async def send(self, request: Request) -> Response:
        """Return the next answer for this path, or raise it if it is an error.

        Raises:
            Unreachable: The answer is `Silence`, or the path is not in the script.
            KeyfobError: The next answer is this error.
        """
        self.sent.append((self.time.passed, request))
        self.meanwhile.get(request.path, lambda: None)()
        answers = self._script.get(request.path)
        if not answers:
            raise Unreachable("nobody answers there")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        match answer:
            case Response():
                return answer
            case Silence():
                self.time.wait(answer.lasts)
                raise Unreachable("no answer in time", timed_out=True)
            case _:
                raise answer

    async def uninterrupted(self, act: Coroutine[object, None, T]) -> T:
        return await act

    async def wait(self, span: timedelta) -> None:
        self.time.wait(span)

    def now(self) -> Moment:
        return self.time.now()

    def notify(self, notice: Notice) -> None:
        self.notices.append(notice)

    def random(self, size: int) -> bytes:
        """Return bytes that differ from call to call, but not from run to run."""
        self._random_calls += 1
        return bytes([self._random_calls]) * size

    async def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        self.state = state
        return callbacks[0].address(callbacks[0].port or 1234)

    async def open_browser(self, address: str) -> bool:
        self.address = address
        return True

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        """Return the next scripted event. After the last event, return the redirect.

        The clock advances to the time of the event. If this would take longer than `span`, or if the script has neither
        an event nor a redirect left, advance the clock by `span` and return None.
        """
        if self.events and self.events[0][0] <= self.time.passed + span:
            when, event = self.events.pop(0)
            self.time.wait(max(when - self.time.passed, timedelta()))
            return event
        if self.brings is None or self.events:
            self.time.wait(span)
            return None
        return Redirected({"state": self.state, **self.brings})

    async def stop_listening(self, *, succeeded: bool) -> None:
        self.went_well = succeeded

    async def ask(self, question: Question) -> Secret:
        """Return the next of `answers`.

        Raises:
            LoginRequired: There are no answers left.
        """
        self.asked.append(question)
        if not self.answers:
            raise LoginRequired("nobody is here to be asked", code="no-terminal")
        return Secret(self.answers.pop(0))

    def surroundings(self) -> tuple[Surroundings, bool]:
        return self.here, self.has_user

    def load_capabilities(self, issuer: str, client_id: str) -> ServerCapabilities:
        return self.capabilities.get((issuer, client_id), ServerCapabilities())

    def save_capabilities(self, issuer: str, client_id: str, capabilities: ServerCapabilities) -> None:
        self.capabilities[issuer, client_id] = capabilities

    def save_pending(self, profile: str, kept: Secret | None) -> None:
        self.parked.pop(profile, None)
        if kept is not None:
            self.parked[profile] = kept

    def load_pending(self, profile: str) -> Secret | None:
        return self.parked.get(profile)

    def take_login_lock(self, profile: str, turn: LockHolder) -> tuple[bool, LockHolder | None]:
        """Take the login lock. Return True and the previous holder, which is None if there was none.

        Each holder in `elsewhere` makes one call fail: this call returns False and that holder.
        """
        self.meanwhile.get("turn", lambda: None)()
        if self.elsewhere:
            return False, self.elsewhere.pop(0)
        last, self.lock_holders[profile] = self.lock_holders.get(profile), turn
        return True, last

    def record_login(self, profile: str, turn: LockHolder) -> None:
        self.lock_holders[profile] = turn

    def release_login_lock(self) -> None:
        pass

    def requests(self, path: str) -> list[Request]:
        """Return the requests to a path."""
        return [request for _, request in self.sent if request.path == path]

    def moments(self, path: str) -> list[float]:
        """Return the times of the requests to a path, in seconds since the start."""
        return [when.total_seconds() for when, request in self.sent if request.path == path]

"""A server that plays prepared answers, and a world that brings a client to it. It asserts nothing and keeps all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from keyfob.client.model.callback import Callback
from keyfob.client.model.lock_holder import LockHolder
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import Notice
from keyfob.client.model.question import Question
from keyfob.client.model.server_capabilities import ServerCapabilities
from keyfob.client.model.surroundings import Surroundings
from keyfob.client.ports import LoginEvent, Redirected
from keyfob.errors import KeyfobError, LoginRequired, Unreachable
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.testing.fake_time import FakeTime


@dataclass(frozen=True, slots=True)
class Silence:
    """The server takes the connection and says nothing until the client gives up."""

    lasts: timedelta = timedelta(seconds=20)


Answer = Response | KeyfobError | Silence


class ScriptedWorld:
    """A whole world for a flow: time that waits for nobody, and a server that follows a script.

    Attributes:
        sent: Every request with the moment it came, in order.
        notices: All that the person was told.
        time: Its clocks.
        brings: What the browser comes back with; None where nobody comes.
        heard: What the person types or the browser brings, in order, each with the moment since the start; before
            `brings`.
        address: Where the browser was sent.
        went_well: How the flow ended, as a browser would be told; None before it has.
        here: What this place is like.
        has_person: Whether somebody is there.
        learned: What issuers have taught.
        parked: By profile, a login that another process may go on with.
        answers: What the person types when asked, in order.
        asked: What they were asked.
        elsewhere: Who else has the turn to log in, each time that we want it.
        turns: By profile, whose turn it was last.
        meanwhile: What happens elsewhere while a request to a path is on its way, or when "turn" is asked for.
    """

    def __init__(self, script: Mapping[str, Sequence[Answer]], time: FakeTime | None = None) -> None:
        """Learn the script.

        Args:
            script: For each path the answers in order; the last is given again and again. Other paths are unreachable.
            time: Clocks to share with others.
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
        self._drawn = 0
        self._script = {path: list(answers) for path, answers in script.items()}

    async def send(self, request: Request) -> Response:
        """Play the next answer.

        Raises:
            Unreachable: The script says silence, or knows no such path.
            KeyfobError: The script says so.
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

    async def wait(self, span: timedelta) -> None:
        """Let time pass, at once."""
        self.time.wait(span)

    def now(self) -> Moment:
        """Both clocks."""
        return self.time.now()

    def notify(self, notice: Notice) -> None:
        """Keep it."""
        self.notices.append(notice)

    def random(self, size: int) -> bytes:
        """Different every time, and the same in every run."""
        self._drawn += 1
        return bytes([self._drawn]) * size

    async def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        """Remember the state."""
        self.state = state
        return callbacks[0].address(callbacks[0].port or 1234)

    async def open_browser(self, address: str) -> bool:
        """Remember the address."""
        self.address = address
        return True

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        """What the script says is heard next, and then what the browser brings, with the state; else nothing is."""
        if self.events and self.events[0][0] <= self.time.passed + span:
            when, events = self.events.pop(0)
            self.time.wait(max(when - self.time.passed, timedelta()))
            return events
        if self.brings is None or self.events:
            self.time.wait(span)
            return None
        return Redirected({"state": self.state, **self.brings})

    async def stop_listening(self, *, succeeded: bool) -> None:
        """Remember how it ended."""
        self.went_well = succeeded

    async def ask(self, question: Question) -> Secret:
        """The next of `answers`.

        Raises:
            LoginRequired: There is none.
        """
        self.asked.append(question)
        if not self.answers:
            raise LoginRequired("nobody is here to be asked", code="no-terminal")
        return Secret(self.answers.pop(0))

    def surroundings(self) -> tuple[Surroundings, bool]:
        """What was set."""
        return self.here, self.has_user

    def load_capabilities(self, issuer: str, client_id: str) -> ServerCapabilities:
        """What was learned."""
        return self.capabilities.get((issuer, client_id), ServerCapabilities())

    def save_capabilities(self, issuer: str, client_id: str, capabilities: ServerCapabilities) -> None:
        """Remember it."""
        self.capabilities[issuer, client_id] = capabilities

    def save_pending(self, profile: str, kept: Secret | None) -> None:
        """Keep it, or forget it."""
        self.parked.pop(profile, None)
        if kept is not None:
            self.parked[profile] = kept

    def load_pending(self, profile: str) -> Secret | None:
        """What was kept."""
        return self.parked.get(profile)

    def take_login_lock(self, profile: str, turn: LockHolder) -> tuple[bool, LockHolder | None]:
        """Ours, when those of `elsewhere` have had theirs."""
        self.meanwhile.get("turn", lambda: None)()
        if self.elsewhere:
            return False, self.elsewhere.pop(0)
        last, self.lock_holders[profile] = self.lock_holders.get(profile), turn
        return True, last

    def record_login(self, profile: str, turn: LockHolder) -> None:
        """Keep it."""
        self.lock_holders[profile] = turn

    def release_login_lock(self) -> None:
        pass

    def requests(self, path: str) -> list[Request]:
        """What came to one path."""
        return [request for _, request in self.sent if request.path == path]

    def moments(self, path: str) -> list[float]:
        """When requests came to one path, in seconds."""
        return [when.total_seconds() for when, request in self.sent if request.path == path]

"""A server that plays prepared answers, and a world that brings a client to it. It asserts nothing and keeps all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from keyfob.client.asks import Moment
from keyfob.client.notices import Notice
from keyfob.errors import KeyfobError, Unreachable
from keyfob.protocol.http import Request, Response
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
        address: Where the browser was sent.
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
        self.address = self.state = ""
        self._drawn = 0
        self._script = {path: list(answers) for path, answers in script.items()}

    def send(self, request: Request) -> Response:
        """Play the next answer.

        Raises:
            Unreachable: The script says silence, or knows no such path.
            KeyfobError: The script says so.
        """
        self.sent.append((self.time.passed, request))
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

    def wait(self, span: timedelta) -> None:
        """Let time pass, at once."""
        self.time.wait(span)

    def now(self) -> Moment:
        """Both clocks."""
        return self.time.now()

    def tell(self, notice: Notice) -> None:
        """Keep it."""
        self.notices.append(notice)

    def random(self, size: int) -> bytes:
        """Different every time, and the same in every run."""
        self._drawn += 1
        return bytes([self._drawn]) * size

    def listen(self, ports: tuple[int, ...], state: str) -> str:
        """Remember the state."""
        self.state = state
        return f"http://127.0.0.1:{ports[0] if ports else 1234}/callback"

    def browse(self, address: str) -> bool:
        """Remember the address."""
        self.address = address
        return True

    def hear(self, span: timedelta) -> Mapping[str, str] | None:
        """What the script says the browser brings, with the state; nobody comes where it says nothing."""
        if self.brings is None:
            self.time.wait(span)
            return None
        return {"state": self.state, **self.brings}

    def requests(self, path: str) -> list[Request]:
        """What came to one path."""
        return [request for _, request in self.sent if request.path == path]

    def moments(self, path: str) -> list[float]:
        """When requests came to one path, in seconds."""
        return [when.total_seconds() for when, request in self.sent if request.path == path]


class AsyncScriptedWorld:
    """The same for `drive_async`.

    Attributes:
        script: The world behind.
    """

    def __init__(self, script: ScriptedWorld) -> None:
        """Stand in front of a world."""
        self.script = script

    async def send(self, request: Request) -> Response:
        """As there. Raises as there."""
        return self.script.send(request)

    async def wait(self, span: timedelta) -> None:
        """As there."""
        self.script.wait(span)

    def now(self) -> Moment:
        """As there."""
        return self.script.now()

    def tell(self, notice: Notice) -> None:
        """As there."""
        self.script.tell(notice)

    def random(self, size: int) -> bytes:
        """As there."""
        return self.script.random(size)

    async def listen(self, ports: tuple[int, ...], state: str) -> str:
        """As there."""
        return self.script.listen(ports, state)

    async def browse(self, address: str) -> bool:
        """As there."""
        return self.script.browse(address)

    async def hear(self, span: timedelta) -> Mapping[str, str] | None:
        """As there."""
        return self.script.hear(span)

"""Run each flow in memory and record its requests, for the diagrams of docs/reference/diagrams.md.

The client, the authorization server and the API are the real ones; `keyfob.testing.scene` joins them without sockets.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from keyfob.client.model.notices import CodeShown, Notice, StillPending
from keyfob.client.model.source import Source
from keyfob.client.model.surroundings import Surroundings
from keyfob.login import App
from keyfob.protocol.http import Request
from keyfob.testing.example_tenant import ORDERS, SECRET, example_config
from keyfob.testing.orders import api
from keyfob.testing.pair import App as Application
from keyfob.testing.scene import ISSUER, Scene, SceneWorld, approve
from keyfob.testing.scene import ORDERS as ORDERS_URL

Party = Literal["browser", "app", "server", "api"]
# Parameters whose values say what a request is; of the others only the names are recorded.
TELLING: Final = frozenset({"grant_type", "response_type", "code_challenge_method"})
MOST_MEMBERS: Final = 6
SECRET_VARIABLE: Final = "KEYFOB_DIAGRAM_SECRET"


@dataclass
class Exchange:
    """A request and its response, or something shown to the user.

    Attributes:
        sent: The method and path of the request, and the names of the parameters.
        answer: The status and the members of the response; "" if there is no response.
        before_answer: The exchanges that the target starts before it responds.
    """

    source: Party
    target: Party
    sent: str
    parameters: list[str] = field(default_factory=list[str])
    answer: str = ""
    before_answer: list["Exchange"] = field(default_factory=list["Exchange"])

    @property
    def path(self) -> str:
        """The path of the request."""
        return self.sent.partition(" ")[2]

    @property
    def is_page(self) -> bool:
        """Whether a browser requests a page of the authorization server."""
        return self.source == "browser" and self.target == "server"


class Recorder:
    """A scene that records the requests to its applications."""

    def __init__(self) -> None:
        self.scene = Scene(replace(example_config(ISSUER), name="Example"))
        self.exchanges: list[Exchange] = []
        self.under_way: list[Exchange] = self.exchanges  # where the next request belongs
        self.caller: Party = "app"
        self.scene.pair.join(self.scene.config.origin, self.listened(self.scene.tenant.app, "server"))
        self.scene.pair.join("https://orders.example", self.listened(api(self.scene.guard), "api"))

    def listened(self, application: Application, party: Party) -> Application:
        """Return an application whose requests are recorded."""

        async def answer(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI
            body = [await receive()]
            query = scope["query_string"].decode() or body[0]["body"].decode()
            schemes = [value.decode().partition(" ")[0] for name, value in scope["headers"] if name == b"authorization"]
            names = [*shown(query), *(f"Authorization: {scheme}" for scheme in schemes)]
            exchange = Exchange(self.caller, party, f"{scope['method']} {scope['path']}", names)
            self.under_way.append(exchange)
            sent: list[Any] = []

            async def again() -> Any:  # noqa: ANN401  ASGI
                return body.pop() if body else await receive()

            async def heard(message: Any) -> None:  # noqa: ANN401  ASGI
                sent.append(message)
                await send(message)

            caller, under_way = self.caller, self.under_way
            self.caller, self.under_way = party, exchange.before_answer
            await application(scope, again, heard)
            self.caller, self.under_way = caller, under_way
            exchange.answer = answered(sent)

        return answer

    def app(self, client_id: str, world: SceneWorld, **settings: Any) -> App:  # noqa: ANN401  settings of an App
        scopes = {} if "credential" in settings else {"scopes": "read:orders"}
        vault = self.scene.vault
        settings = {"audience": ORDERS, "profile": "default", **scopes, **settings}
        return App(issuer=ISSUER, client_id=client_id, vault=vault, world=world, **settings)


class RecordedWorld(SceneWorld):
    """The client's World, which tells the recorder which party sends the next request."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder.scene, self.show)
        self.recorder = recorder
        self.code: CodeShown | None = None

    def show(self, notice: Notice) -> None:
        """Show the user code; approve the login after a pending poll."""
        if isinstance(notice, CodeShown):
            self.code = notice
            self.recorder.exchanges.append(Exchange("app", "browser", "the user code and the address"))
        if isinstance(notice, StillPending) and self.code is not None:
            code, self.code = self.code, None
            self.recorder.caller = "browser"
            approve(self.recorder.scene.person(), code)
            self.recorder.caller = "app"

    async def open_browser(self, address: str) -> bool:
        self.recorder.exchanges.append(Exchange("app", "browser", "opens the authorization URL"))
        self.recorder.caller = "browser"
        opened = await super().open_browser(address)
        self.recorder.caller = "app"
        names = sorted(self._redirected or ())
        self.recorder.exchanges.append(Exchange("browser", "app", "GET 127.0.0.1", names))
        return opened


def shown(query: str) -> list[str]:
    """Return the names of the parameters, with the values that determine the kind of request."""
    pairs = dict(parse_qsl(query))
    return [f"{name}={short(value)}" if name in TELLING else name for name, value in pairs.items()]


def short(value: str) -> str:
    """Return a grant type without its namespace."""
    return value.rpartition(":")[2]


def answered(sent: list[Any]) -> str:
    """Return the status and the names of the members of a response."""
    body = b"".join(part.get("body", b"") for part in sent[1:])
    pairs: list[tuple[bytes, bytes]] = sent[0]["headers"]
    headers = {name.decode().lower(): value.decode() for name, value in pairs}
    status = str(sent[0]["status"])
    if "location" in headers:
        to = urlsplit(headers["location"])
        return f"{status} to {to.path if to.hostname != '127.0.0.1' else '127.0.0.1'}"
    if "json" not in headers.get("content-type", ""):
        return f"{status} a page" if "html" in headers.get("content-type", "") else status
    members: dict[str, object] = json.loads(body or b"{}")
    if "error" in members:
        return f"{status} {members['error']}"
    names = list(members)
    return f"{status} {', '.join(names if len(names) <= MOST_MEMBERS else [*names[:3], '...'])}".rstrip()


def device() -> Recorder:
    """The app shows a user code, and the user approves it in a browser on any device (RFC 8628)."""
    recorder = Recorder()
    recorder.app("native", RecordedWorld(recorder), flow="device").log_in()
    return recorder


def browser() -> Recorder:
    """The authorization code grant with PKCE and a redirect to this machine (RFC 8252, RFC 7636)."""
    recorder = Recorder()
    world = RecordedWorld(recorder)
    world.here = Surroundings(has_screen=True, browser="firefox")
    recorder.app("native", world, flow="browser", callbacks=["http://127.0.0.1:8484/callback"]).log_in()
    return recorder


def machine() -> Recorder:
    """The client credentials grant of a service account (RFC 6749 §4.4)."""
    recorder = Recorder()
    before = os.environ.get(SECRET_VARIABLE)
    os.environ[SECRET_VARIABLE] = SECRET.reveal()
    try:
        source = Source("secret", "env", SECRET_VARIABLE)
        recorder.app("web", RecordedWorld(recorder), is_machine=True, credential=source).log_in()
    finally:
        os.environ.pop(SECRET_VARIABLE) if before is None else os.environ.update({SECRET_VARIABLE: before})
    return recorder


def password() -> Recorder:
    """The password grant of RFC 6749 §4.3, for old systems. Server, client and profile must each enable it."""
    recorder = Recorder()
    recorder.app("legacy", RecordedWorld(recorder), flow="password", allows_password=True).log_in()
    return recorder


def call() -> Recorder:
    """A call of an API. The API's guard first fetches the issuer's keys. Later the app refreshes an expired token."""
    recorder = Recorder()
    world = RecordedWorld(recorder)
    world.here = Surroundings(has_screen=True, browser="firefox")
    app = recorder.app("native", world, flow="browser", callbacks=["http://127.0.0.1:8484/callback"])
    app.log_in()
    recorder.exchanges.clear()
    session = app.session()
    for _ in range(2):
        session.send(Request("GET", ORDERS_URL))
    recorder.scene.time.go(timedelta(days=1))
    session.send(Request("GET", ORDERS_URL))
    return recorder


def logout() -> Recorder:
    """The end of a login at the server (RFC 7009)."""
    recorder = call()
    recorder.exchanges.clear()
    recorder.app("native", RecordedWorld(recorder)).session().log_out()
    return recorder


FLOWS: Final[dict[str, tuple[str, Callable[[], Recorder]]]] = {
    "browser": ("Browser redirect", browser),
    "device": ("Device authorization", device),
    "machine": ("Client credentials", machine),
    "password": ("Password", password),
    "call": ("API call and refresh", call),
    "logout": ("Logout", logout),
}

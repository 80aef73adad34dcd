"""A tenant, an API, a program and people, joined in memory on one fake clock: no socket, no sleeping, no mock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qsl, urlsplit

import argon2

from keyfob.client.model.callback import Callback
from keyfob.client.model.lock_holder import LockHolder
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import CodeShown, Notice
from keyfob.client.model.question import Question
from keyfob.client.model.server_capabilities import ServerCapabilities
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.model.surroundings import Surroundings
from keyfob.client.ports import LoginEvent, Redirected
from keyfob.guard import Guard
from keyfob.login import App
from keyfob.protocol.http import Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Tenant, TenantConfig, ready_config
from keyfob.server.io.mail import MemoryOutbox
from keyfob.server.io.memory import MemoryStore
from keyfob.server.io.passwords import Argon2Passwords
from keyfob.server.ports import Transaction
from keyfob.server.records import StoredKey
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.orders import api
from keyfob.testing.pair import Pair
from keyfob.testing.person import Person
from keyfob.testing.surroundings import FakeSurroundings

ISSUER = "https://login.example/"
ORDERS = "https://orders.example/orders"
EMAIL = "person@example.com"
PASSWORD = "correct horse battery staple"
_KEYS: dict[bytes, tuple[StoredKey, ...]] = {}


def quick_passwords() -> Argon2Passwords:
    """The real algorithm with the smallest cost, for tests only."""
    return Argon2Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Scene:
    """Everybody together.

    Attributes:
        time: Passes only when somebody waits.
        pair: Carries requests; what it has `sent` can be looked at.
        events: What the tenant has told its audit log.
        store: What the tenant remembers.
        outbox: What it has sent by e-mail.
        vault: Where the program keeps its tokens.
    """

    def __init__(self, config: TenantConfig | None = None) -> None:
        """A ready tenant with one person, unless a configuration says otherwise."""
        self.time = FakeSurroundings()
        self.events: list[Mapping[str, object]] = []
        self.outbox = MemoryOutbox()
        self.config = config or replace(ready_config(ISSUER), name="Example")
        self.store = MemoryStore()
        master = self.time.random(32)
        # Chance repeats itself here, so the keys of one scene fit the next; making them is what takes long.
        asyncio.run(self.store.write(partial(_add_keys, keys=_KEYS.get(master, ()))))
        made = Tenant.create(
            self.config,
            store=self.store,
            master=master,
            surroundings=self.time,
            passwords=quick_passwords(),
            audit=self.events.append,
            mailer=self.outbox,
        )
        self.tenant = asyncio.run(made)
        _KEYS[master] = asyncio.run(self.store.read(lambda transaction: transaction.signing_keys()))
        asyncio.run(self.tenant.add_user(EMAIL, Secret(PASSWORD), "Pat Example"))
        self.pair = Pair({self.config.origin: self.tenant.app}, peer="192.0.2.7")
        self.guard = Guard(issuer=self.config.issuer, audience=READY_AUDIENCE, send=self.pair.send, clock=self.time.now)
        self.pair.join("https://orders.example", api(self.guard))
        self.vault = MemoryVault()

    def app(self, notify: Callable[[Notice], None] | None = None, *scopes: str) -> App:
        """A program in this scene; `tell` is whoever looks at its screen."""
        return App(
            issuer=self.config.issuer,
            client_id=READY_CLIENT_ID,
            audience=READY_AUDIENCE,
            scopes=scopes or ("read:orders",),
            vault=self.vault,
            world=SceneWorld(self, notify or (lambda _: None)),
        )

    def person(self) -> Person:
        """Somebody at a browser."""
        return Person(self.pair.send)

    def log_in(self, *scopes: str) -> StoredLogin:
        """A whole login, by a person who approves at once."""

        def approves(notice: Notice) -> None:
            if isinstance(notice, CodeShown):
                approve(self.person(), notice)

        return self.app(approves, *scopes).log_in()

    def post(self, path: str, *, peer: str | None = None, **parameters: str) -> Response:
        """A form to the tenant, as a program sends it."""
        return self.send(form_request(f"{self.config.issuer}{path}", parameters), peer=peer)

    def send(self, request: Request, *, peer: str | None = None) -> Response:
        """Any request, from another address if need be."""
        before, self.pair.peer = self.pair.peer, peer or self.pair.peer
        try:
            return self.pair.send(request)
        finally:
            self.pair.peer = before


def _add_keys(transaction: Transaction, keys: tuple[StoredKey, ...]) -> None:
    for key in keys:
        transaction.add_key(key)


class SceneWorld:
    """The world of a program in a scene.

    Attributes:
        here: What its place is like: no browser, unless somebody says otherwise.
        answers: By the kind of question, what the person types.
    """

    def __init__(self, scene: Scene, notify: Callable[[Notice], None]) -> None:
        """Know the scene, and who looks at the screen."""
        self.here = Surroundings()
        self.answers: dict[str, Callable[[], str]] = {"username": lambda: EMAIL, "password": lambda: PASSWORD}
        self._capabilities: dict[tuple[str, str], ServerCapabilities] = {}
        self._parked: dict[str, Secret | None] = {}
        self._scene = scene
        self._notify = notify
        self._brought: Mapping[str, str] | None = None
        self._state = ""

    async def send(self, request: Request) -> Response:
        """In memory."""
        return self._scene.pair.send(request)

    async def wait(self, span: timedelta) -> None:
        """Time passes for everybody."""
        self._scene.time.go(span)

    def now(self) -> Moment:
        """The scene's."""
        return self._scene.time.moment()

    def notify(self, notice: Notice) -> None:
        """To whoever looks."""
        self._notify(notice)

    def random(self, size: int) -> bytes:
        """The scene's, which repeats itself."""
        return self._scene.time.random(size)

    async def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        """Nobody can really come; `browse` brings the answer."""
        self._state = state
        return callbacks[0].address(callbacks[0].port or 8484)

    async def open_browser(self, address: str) -> bool:
        """A person goes there, logs in and approves whatever is asked; what they bring back is kept for `hear`."""
        found: list[str] = []

        def carry(request: Request) -> Response:
            if request.url.startswith("http://127.0.0.1:"):
                found.append(request.body.decode() or urlsplit(request.url).query)
                return Response(200)
            return self._scene.pair.send(request)

        person = Person(carry)
        person.open(address)
        if "/u/login" in person.page.url:
            person.press("login", email=EMAIL, password=PASSWORD)
        if "/u/consent" in person.page.url:
            person.press("approve")
        if any(form.action.startswith("http://127.0.0.1:") for form in person.page.forms):
            person.press()  # as the page's script does
        self._brought = dict(parse_qsl(found[0])) if found else None
        return True

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        """What the person brought."""
        if self._brought is None or self._brought.get("state") != self._state:
            self._scene.time.go(span)
            return None
        return Redirected(self._brought)

    async def stop_listening(self, *, succeeded: bool) -> None:
        """Nobody waits to be told."""
        del succeeded
        self._brought = None

    async def ask(self, question: Question) -> Secret:
        """Whatever `answers` says to that kind of question, which may look at the scene."""
        return Secret(self.answers[question.kind]())

    def surroundings(self) -> tuple[Surroundings, bool]:
        """What was set; somebody is there."""
        return self.here, True

    def load_capabilities(self, issuer: str, client_id: str) -> ServerCapabilities:
        """What was learned."""
        return self._capabilities.get((issuer, client_id), ServerCapabilities())

    def save_capabilities(self, issuer: str, client_id: str, capabilities: ServerCapabilities) -> None:
        """Remember it."""
        self._capabilities[issuer, client_id] = capabilities

    def save_pending(self, profile: str, kept: Secret | None) -> None:
        """Keep it, or forget it."""
        self._parked[profile] = kept

    def load_pending(self, profile: str) -> Secret | None:
        """What was kept."""
        return self._parked.get(profile)

    def take_login_lock(self, profile: str, turn: LockHolder) -> tuple[bool, LockHolder | None]:
        """Nobody else is here."""
        del profile, turn
        return True, None

    def record_login(self, profile: str, turn: LockHolder) -> None:
        """Nobody waits to be told."""

    def release_login_lock(self) -> None:
        pass


def approve(person: Person, shown: CodeShown, *, email: str = EMAIL, password: str = PASSWORD) -> None:
    """Open the address, enter the code, compare, log in."""
    person.open(shown.verification_uri)
    person.press("continue", user_code=shown.user_code)
    person.press("confirm")
    person.press("login", email=email, password=password)

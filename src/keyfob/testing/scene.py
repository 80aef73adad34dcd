"""A tenant, an API, a client and users in memory, on one fake clock: no sockets, no sleeping, no mocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

import argon2

from keyfob.client.model.callback import Callback
from keyfob.client.model.login_state import LockHolder, ServerCapabilities
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import CodeShown, Notice
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.model.surroundings import Surroundings
from keyfob.client.ports import LoginEvent, Question, Redirected
from keyfob.guard import Guard
from keyfob.login import App
from keyfob.protocol.http import Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Tenant, TenantConfig, ready_config
from keyfob.server.io.mail import MemoryOutbox
from keyfob.server.io.passwords import Argon2Passwords
from keyfob.server.io.signing_keys import read_keys
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.ports import Store, Transaction
from keyfob.server.records import KeySlot, StoredKey, User
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.orders import api
from keyfob.testing.pair import Pair
from keyfob.testing.person import Person
from keyfob.testing.surroundings import FakeSurroundings

T = TypeVar("T")

ISSUER = "https://login.example/"
ORDERS = "https://orders.example/orders"
EMAIL = "person@example.com"
PASSWORD = "correct horse battery staple"
_KEYS: dict[bytes, tuple[tuple[StoredKey, ...], tuple[KeySlot, ...]]] = {}


def quick_passwords() -> Argon2Passwords:
    """Return the real password hashing with the smallest cost, for tests only."""
    return Argon2Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Scene:
    """A tenant with one user, an API with its guard, and a client.

    Attributes:
        time: The clock of all parties, which advances only when a party waits.
        pair: The connections between the parties; `pair.sent` contains every request.
        events: The events of the tenant's audit log.
        store: The store of the tenant.
        outbox: The e-mails of the tenant.
        vault: The vault of the client.
    """

    def __init__(self, config: TenantConfig | None = None, store: Store | None = None) -> None:
        """Start a tenant and add a user. By default, the tenant has ready settings and a store in memory."""
        self.time = FakeSurroundings()
        self.events: list[Mapping[str, object]] = []
        self.outbox = MemoryOutbox()
        self.config = config or replace(ready_config(ISSUER), name="Example")
        self.store: Store = store or SqliteStore()
        self.tenant = asyncio.run(self._created(self.time.random(32)))
        self.pair = Pair({self.config.origin: self.tenant.app}, peer="192.0.2.7")
        self.guard = Guard(issuer=self.config.issuer, audience=READY_AUDIENCE, send=self.pair.send, clock=self.time.now)
        self.pair.join("https://orders.example", api(self.guard))
        self.vault = MemoryVault()

    async def _created(self, master: bytes) -> Tenant:
        passwords = quick_passwords()
        # Signing keys are slow to generate. The "random" bytes are the same in every scene, so the keys can be reused.
        await self.store.write(partial(_add_keys, known=_KEYS.get(master, ((), ()))))
        tenant = await Tenant.create(
            self.config,
            store=self.store,
            master=master,
            surroundings=self.time,
            passwords=passwords,
            audit=self.events.append,
            mailer=self.outbox,
        )
        _KEYS[master] = await self.store.read(read_keys)
        # `add_user` is not used, since it estimates the strength of the password, which is slow.
        hashed = await passwords.hash(Secret(PASSWORD))
        user = User(f"auth0|{self.time.random(12).hex()}", EMAIL, "Pat Example", hashed, self.time.now())
        await self.store.write(partial(_add_user, user=user))
        return tenant

    def app(self, notify: Callable[[Notice], None] | None = None, *scopes: str) -> App:
        """Return a client of this tenant. The client passes its notices to `notify`."""
        return App(
            issuer=self.config.issuer,
            client_id=READY_CLIENT_ID,
            audience=READY_AUDIENCE,
            scopes=scopes or ("read:orders",),
            profile="default",
            vault=self.vault,
            world=SceneWorld(self, notify or (lambda _: None)),
        )

    def person(self) -> Person:
        """Return a user with a new browser."""
        return Person(self.pair.send)

    def log_in(self, *scopes: str) -> StoredLogin:
        """Log in by the device flow, approve the login at once, and return the stored login."""

        def approve_shown(notice: Notice) -> None:
            if isinstance(notice, CodeShown):
                approve(self.person(), notice)

        return self.app(approve_shown, *scopes).log_in()

    def post(self, path: str, *, peer: str | None = None, **parameters: str) -> Response:
        """Send a form to the tenant, as a client does."""
        return self.send(form_request(f"{self.config.issuer}{path}", parameters), peer=peer)

    def send(self, request: Request, *, peer: str | None = None) -> Response:
        """Send a request. `peer` replaces the IP address of the sender."""
        before, self.pair.peer = self.pair.peer, peer or self.pair.peer
        try:
            return self.pair.send(request)
        finally:
            self.pair.peer = before


async def _add_keys(transaction: Transaction, known: tuple[tuple[StoredKey, ...], tuple[KeySlot, ...]]) -> None:
    keys, slots = known
    for key in keys:
        await transaction.add_key(key)
    for slot in slots:
        await transaction.save_key_slot(slot)


async def _add_user(transaction: Transaction, user: User) -> None:
    if await transaction.user_by_email(user.email) is None:  # another scene with the same store may have added the user
        await transaction.save_user(user)


class SceneWorld:
    """The `World` (network, clock, user) of a client in a scene.

    Attributes:
        here: The environment that the flow sees, such as whether there is a browser. By default, there is none.
        answers: A function for each kind of question, which returns the text that the user types.
    """

    def __init__(self, scene: Scene, notify: Callable[[Notice], None]) -> None:
        self.here = Surroundings()
        self.answers: dict[str, Callable[[], str]] = {"username": lambda: EMAIL, "password": lambda: PASSWORD}
        self._capabilities: dict[tuple[str, str], ServerCapabilities] = {}
        self._pending: dict[str, Secret | None] = {}
        self._scene = scene
        self._notify = notify
        self._redirected: Mapping[str, str] | None = None
        self._state = ""

    async def send(self, request: Request) -> Response:
        return self._scene.pair.send(request)

    async def uninterrupted(self, act: Coroutine[object, None, T]) -> T:
        return await act

    async def wait(self, span: timedelta) -> None:
        self._scene.time.go(span)

    def now(self) -> Moment:
        return self._scene.time.moment()

    def notify(self, notice: Notice) -> None:
        self._notify(notice)

    def random(self, size: int) -> bytes:
        return self._scene.time.random(size)

    async def listen(self, callbacks: tuple[Callback, ...], state: str) -> str:
        """Return a redirect URI without listening, since `open_browser` itself stores the redirect parameters."""
        self._state = state
        return callbacks[0].address(callbacks[0].port or 8484)

    async def open_browser(self, address: str) -> bool:
        """Log in and give consent as the user. Store the redirect parameters for `next_event`."""
        redirects: list[str] = []

        def send(request: Request) -> Response:
            if request.url.startswith("http://127.0.0.1:"):
                redirects.append(request.body.decode() or urlsplit(request.url).query)
                return Response(200)
            return self._scene.pair.send(request)

        person = Person(send)
        person.open(address)
        if "/u/login" in person.page.url:
            person.press("login", email=EMAIL, password=PASSWORD)
        if "/u/consent" in person.page.url:
            person.press("approve")
        if any(form.action.startswith("http://127.0.0.1:") for form in person.page.forms):
            person.press()  # submit the form that a script would submit in a real browser
        self._redirected = dict(parse_qsl(redirects[0])) if redirects else None
        return True

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        if self._redirected is None or self._redirected.get("state") != self._state:
            self._scene.time.go(span)
            return None
        return Redirected(self._redirected)

    async def stop_listening(self, *, succeeded: bool) -> None:
        del succeeded
        self._redirected = None

    async def ask(self, question: Question) -> Secret:
        """Return the text that the user types for this kind of question."""
        return Secret(self.answers[question.kind]())

    def surroundings(self) -> tuple[Surroundings, bool]:
        return self.here, True

    def load_capabilities(self, issuer: str, client_id: str) -> ServerCapabilities:
        return self._capabilities.get((issuer, client_id), ServerCapabilities())

    def save_capabilities(self, issuer: str, client_id: str, capabilities: ServerCapabilities) -> None:
        self._capabilities[issuer, client_id] = capabilities

    def save_pending(self, profile: str, kept: Secret | None) -> None:
        self._pending[profile] = kept

    def load_pending(self, profile: str) -> Secret | None:
        return self._pending.get(profile)

    def take_login_lock(self, profile: str, turn: LockHolder) -> tuple[bool, LockHolder | None]:
        del profile, turn
        return True, None

    def record_login(self, profile: str, turn: LockHolder) -> None:
        pass

    def release_login_lock(self) -> None:
        pass


def approve(person: Person, shown: CodeShown, *, email: str = EMAIL, password: str = PASSWORD) -> None:
    """Approve a device login as a user: open the page, enter the user code, confirm and log in."""
    person.open(shown.verification_uri)
    person.press("continue", user_code=shown.user_code)
    person.press("confirm")
    person.press("login", email=email, password=password)

"""Door, for an event loop: the same logins and sessions, awaited.

from keyfob.login import App, aio

app = aio.App(App(issuer="https://login.example.com/", client_id="..."))
await app.log_in()
token = await app.session().token()
async with app.session().http() as client: ...   # an httpx2.AsyncClient that brings the token
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.client.drive import T, drive_async
from keyfob.client.flows.choice import Choice
from keyfob.client.flows.logout import LoggedOut
from keyfob.client.io.aio import AsyncSystemWorld, InThreads, VaultInThreads, in_thread
from keyfob.client.io.world import SystemWorld
from keyfob.client.model.account_mismatch import MayAdopt, MaySwitch, adopt_any, refuse_switch
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.notices import Notice
from keyfob.client.model.question import Question
from keyfob.client.model.stored_login import Held
from keyfob.client.ports import AsyncWorld, World
from keyfob.client.session.login import KeptLogin
from keyfob.errors import KeyfobError
from keyfob.login import App as BlockingApp
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    import httpx2  # noqa: TID251  only its name, for whoever reads the signature

    from keyfob.client.asks import Flow
    from keyfob.client.model.pending_login import PendingLogin

__all__ = ["App", "Session"]


class Session:
    """A login that is kept. Tasks may share it, and so may other processes. Raises as `keyfob.login.Session`."""

    def __init__(self, app: BlockingApp, tell: Callable[[Notice], None] | None = None) -> None:
        """Made by `App.session`."""
        self._blocking = app.session(tell)
        self._profile = app.profile
        self._vault = VaultInThreads(app.vault)
        self._kept = KeptLogin(app.profile, app.proofs())
        self._world = _without_blocking(app.find_world(tell))

    async def token(self, min_ttl: timedelta | None = None) -> str:
        """A valid access token, refreshed if need be; never opens a browser."""
        return (await self._drive(self._kept.fresh(min_ttl))).access_token.reveal()

    async def held(self) -> Held:
        """Who is logged in, with which scope, until when."""
        return await self._drive(self._kept.held())

    async def log_out(self) -> LoggedOut:
        """Forget the login here and end it at the server; forgotten also when the task is cancelled.

        Raises:
            KeyfobError: As `keyfob.login.Session.log_out`.
        """
        try:
            taken = await self._drive(self._kept.take_out())
        except KeyfobError:
            raise
        except BaseException:  # perhaps we still waited for the lock
            await self._vault.forget(self._profile.name)
            raise
        return await self._drive(self._kept.end(taken))

    async def send(self, request: Request) -> Response:
        """One request with the token, renewed once after a 401; no redirect is followed."""
        return await in_thread(self._blocking.send, request)

    def http(self) -> httpx2.AsyncClient:
        """An HTTP client that brings the token to the first origin it calls, and renews it once after a 401."""
        from keyfob.client.io.http.httpx2_auth import async_client_of  # noqa: PLC0415  httpx2 costs 70 ms

        return async_client_of(self._blocking.calls(), self._blocking.tls())

    async def _drive(self, flow: Flow[T]) -> T:
        return await drive_async(flow, self._world, self._vault)


class App:
    """A program that logs people in at one issuer."""

    def __init__(self, app: BlockingApp) -> None:
        """The same program: its settings, its vault and its world are those of `keyfob.login.App`."""
        self.profile = app.profile
        self._app = app
        self._vault = VaultInThreads(app.vault)
        self._kept = KeptLogin(app.profile, app.proofs())

    async def log_in(
        self,
        tell: Callable[[Notice], None] | None = None,
        *,
        ask: Callable[[Question], Secret] | None = None,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        may_switch: MaySwitch = refuse_switch,
        may_adopt: MayAdopt = adopt_any,
    ) -> Held:
        """Let the person log in; others have their turn meanwhile. A task that is cancelled stops listening at once.

        The arguments and what is raised are those of `keyfob.login.App.log_in`.
        """
        flow = self._kept.log_in(opens_page=opens_page, assurance=assurance, may_switch=may_switch, may_adopt=may_adopt)
        return await self._at_screen(flow, tell, ask)

    async def plan(self) -> Choice:
        """Which ways there are for a person to log in from here, the safest first, and why."""
        from keyfob.client.flows import interactive as login_flow  # noqa: PLC0415

        return await self._at_screen(login_flow.plan(self.profile))

    async def begin(
        self, tell: Callable[[Notice], None] | None = None, assurance: Assurance = ANY_LOGIN
    ) -> PendingLogin:
        """Show the person a code and come back at once; `resume` waits for them, here or in another process."""
        return await self._at_screen(self._kept.begin(assurance), tell)

    async def resume(
        self,
        tell: Callable[[Notice], None] | None = None,
        *,
        may_switch: MaySwitch = refuse_switch,
        may_adopt: MayAdopt = adopt_any,
    ) -> Held:
        """Wait for the person who was shown a code."""
        return await self._at_screen(self._kept.resume(may_switch, may_adopt), tell)

    def session(self, tell: Callable[[Notice], None] | None = None) -> Session:
        """The login that is kept, if any; `tell` hears when new tokens cannot be kept."""
        return Session(self._app, tell)

    async def _at_screen(
        self,
        flow: Flow[T],
        tell: Callable[[Notice], None] | None = None,
        ask: Callable[[Question], Secret] | None = None,
    ) -> T:
        with self._app.at_screen(tell, ask) as world:
            return await drive_async(flow, _without_blocking(world), self._vault)


def _without_blocking(world: World) -> AsyncWorld:
    return AsyncSystemWorld(world) if isinstance(world, SystemWorld) else InThreads(world)

"""The logins and sessions of `keyfob.login` for programs with an event loop.

from keyfob.login import App, aio

app = aio.App(App(issuer="https://login.example.com/", client_id="..."))
await app.log_in()
token = await app.session().token()
async with app.session().http() as client: ...   # an httpx2.AsyncClient that sends the token
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.client.flows.choice import Choice
from keyfob.client.flows.logout import LoggedOut
from keyfob.client.io.aio import VaultInThreads, off_loop, without_blocking
from keyfob.client.model.assurance import (
    ANY_LOGIN,
    AcceptsLogin,
    Assurance,
    MayReplaceAccount,
    accept_any,
    keep_account,
)
from keyfob.client.model.login_state import PendingLogin
from keyfob.client.model.notices import Notice
from keyfob.client.model.profile import Profile
from keyfob.client.model.step_up import StepUp
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import Question, Vault, World
from keyfob.client.session.login import Login
from keyfob.lazy import LazyModule
from keyfob.login import App as BlockingApp
from keyfob.login import Session as BlockingSession
from keyfob.login.session import TokenCarriers
from keyfob.protocol.http import Request, Response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    import httpx2  # noqa: TID251  its type only

    from keyfob.client.io.http import httpx2_auth
    from keyfob.client.io.sdk import azure_credential
    from keyfob.client.io.sdk.azure_credential import AsyncAzureCredential
else:  # httpx2 takes 70 ms, the other imports its SDK
    azure_credential = LazyModule("keyfob.client.io.sdk.azure_credential")
    httpx2_auth = LazyModule("keyfob.client.io.http.httpx2_auth")

__all__ = ["App", "Session"]


class Session(TokenCarriers):
    """A stored login. Tasks and threads may share it. See `keyfob.login.Session` for arguments and errors."""

    def __init__(self, blocking: BlockingSession, login: Login) -> None:
        """Wrap a blocking session. Programs call `App.session`, not this constructor.

        Args:
            blocking: The blocking session, for worker threads.
            login: The session's login, with a `World` and a `Vault` that suspend the task and do not block the event
                loop.
        """
        super().__init__(blocking.login)
        self._blocking = blocking
        self._login = login

    async def token(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> str:
        """Return a valid access token, refreshed if necessary. Never open a browser."""
        return (await self._login.fresh(min_ttl, renew=renew)).access_token.reveal()

    async def stored(self) -> StoredLogin:
        """Return the stored login: its user, its scope, its expiry."""
        return await self._login.stored()

    def http(self) -> httpx2.AsyncClient:
        """Return an HTTP client that renews the token once after a 401. Only the first call's origin gets the token."""
        return httpx2_auth.async_client_of(self.calls(), self.tls())

    def auth_for_azure(self) -> AsyncAzureCredential:
        """Return an `AsyncTokenCredential` for the clients in `azure.*.aio`."""
        return azure_credential.AsyncAzureCredential(self._login)

    async def send(self, request: Request) -> Response:
        """Send a request with the token. After a 401, renew the token and send once more. Follow no redirect."""
        return await off_loop(self._blocking.send, request)

    async def call(
        self, request: Request, write: Callable[[bytes], None], head: Callable[[Response], None] | None = None
    ) -> Response:
        """Send a request as `keyfob.login.Session.call` does. `write` and `head` are called in a worker thread."""
        return await off_loop(self._blocking.call, request, write, head)

    async def log_out(self) -> LoggedOut:
        """Delete the stored login and revoke its tokens. A cancelled task still deletes the login."""
        return await self._login.log_out()


class App:
    """An OAuth client at one issuer. Arguments and errors: see `keyfob.login.App`."""

    def __init__(self, app: BlockingApp) -> None:
        """Share the settings, the vault and the `world` of `app`."""
        self.profile: Profile = app.profile
        self.vault: Vault = app.vault
        self._app = app

    async def log_in(
        self,
        notify: Callable[[Notice], None] | None = None,
        *,
        ask: Callable[[Question], Secret] | None = None,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        may_replace_account: MayReplaceAccount = keep_account,
        accepts: AcceptsLogin = accept_any,
    ) -> StoredLogin:
        """Log in the user. If the task is cancelled, the listener for the redirect stops at once."""
        with self._app.at_screen(notify, ask) as world:
            return await self._login(world).log_in(
                opens_page=opens_page, assurance=assurance, may_replace_account=may_replace_account, accepts=accepts
            )

    async def step_up(self, wanted: StepUp, notify: Callable[[Notice], None] | None = None) -> StoredLogin:
        """Log in again, with the scope and authentication that an API requires.

        Do not pass this method to `session(step_up=...)`, which needs a blocking function: pass
        `keyfob.login.App.step_up`.
        """
        with self._app.at_screen(notify) as world:
            return await self._login(world).log_in_again(wanted)

    async def plan(self) -> Choice:
        """Return the flows that are possible in this environment, the safest first, and the reasons."""
        with self._app.at_screen(None) as world:
            return await self._login(world).plan()

    async def metadata(self) -> ServerMetadata:
        """Fetch the issuer's metadata."""
        return await self._login(self._app.find_world()).metadata()

    async def begin(
        self, notify: Callable[[Notice], None] | None = None, *, assurance: Assurance = ANY_LOGIN
    ) -> PendingLogin:
        """Show the user a code and return; `resume` waits for the user, in this process or in another process."""
        with self._app.at_screen(notify) as world:
            return await self._login(world).begin(assurance)

    async def resume(
        self,
        notify: Callable[[Notice], None] | None = None,
        *,
        may_replace_account: MayReplaceAccount = keep_account,
        accepts: AcceptsLogin = accept_any,
    ) -> StoredLogin:
        """Wait for the user to whom `begin` showed a code."""
        with self._app.at_screen(notify) as world:
            return await self._login(world).resume(may_replace_account, accepts)

    def session(
        self,
        notify: Callable[[Notice], None] | None = None,
        *,
        step_up: Callable[[StepUp], object] | None = None,
    ) -> Session:
        """Return a session of the stored login. The callback `step_up` runs in a worker thread."""
        blocking = self._app.session(notify, step_up=step_up)
        world = without_blocking(self._app.find_world(notify))
        return Session(blocking, blocking.login.over(world, VaultInThreads(self.vault)))

    async def make_quick(self) -> None:
        """Write the quick file, which `keyfob token` reads first. Write nothing if the vault's settings forbid it."""
        await off_loop(self._app.make_quick)

    def _login(self, world: World) -> Login:
        return self._app.login(world).over(without_blocking(world), VaultInThreads(self.vault))

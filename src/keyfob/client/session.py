"""A login that is kept: a valid token when asked, refreshed once for everybody, ended for real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

from keyfob.client.asks import Flow
from keyfob.client.cached import DEFAULT_MIN_TTL, LogIn, Use, judge
from keyfob.client.drive import drive
from keyfob.client.held import Held
from keyfob.client.logout_flow import LoggedOut, log_out
from keyfob.client.ports import Vault, World
from keyfob.client.profile import Profile, command
from keyfob.client.program import Program
from keyfob.client.refresh_flow import refresh
from keyfob.client.source import Source
from keyfob.errors import KeyfobError, LoginRequired, Misuse, Unreachable
from keyfob.protocol.address import is_safe
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.choose import Choice
    from keyfob.client.credential import Credential
    from keyfob.client.pending import PendingLogin

_UNAUTHORIZED = 401


class Session:
    """One profile's login, in one vault, in one world. Threads and processes may share the vault."""

    def __init__(
        self, profile: Profile, vault: Vault, world: World, credential: Callable[[Source], Credential] | None = None
    ) -> None:
        """Know where to look; look at nothing yet.

        Args:
            profile: Which login.
            vault: Where it is kept.
            world: Who answers.
            credential: Reads what a program proves itself with; needed by profiles of machines.
        """
        self.profile = profile
        self._credential = credential
        self._vault = vault
        self._world = world

    def log_in(self, *, opens_page: bool = False) -> Held:
        """Let the person log in, or the program as itself, and keep what comes.

        Args:
            opens_page: With a code: open the page with the code in it on this machine.

        Raises:
            KeyfobError: As the flows say; what the vault held before is untouched then.
        """
        return self._keep(self._flow(opens_page=opens_page))

    def plan(self) -> Choice:
        """Which ways there are to log in from here, and why. Raises as the flow."""
        from keyfob.client import login_flow  # noqa: PLC0415

        return drive(login_flow.plan(self.profile), self._world)

    def begin(self) -> PendingLogin:
        """Show the person a code, and do not wait; `resume` does, here or in another process. Raises as the flow."""
        from keyfob.client import login_flow  # noqa: PLC0415

        return drive(login_flow.begin(self.profile, self._prove()), self._world)

    def resume(self) -> Held:
        """Go on with what was begun, and keep what comes. Raises as the flow."""
        from keyfob.client import login_flow  # noqa: PLC0415

        return self._keep(login_flow.resume(self.profile, self._prove()))

    def _keep(self, flow: Flow[Held]) -> Held:
        with self._vault.lock(self.profile.name):
            pass  # a login that could not be kept is not worth a person's time
        held = drive(flow, self._world)
        with self._vault.lock(self.profile.name):
            self._vault.keep(self.profile.name, held)
        return held

    def held(self) -> Held:
        """What the vault holds for this profile.

        Raises:
            LoginRequired: Nothing, or another login's.
        """
        found = self._load()
        if found is None:
            _need_login(self.profile)
        return found

    def token(self, min_ttl: timedelta = DEFAULT_MIN_TTL, *, renew: bool = False) -> Secret:
        """A valid access token; never opens a browser.

        Args:
            min_ttl: How long it must still live.
            renew: Refresh even if the one at hand looks good, because an API has refused it.

        Raises:
            LoginRequired: Only the person can help.
            Unreachable: The token at hand has lapsed and the server does not answer.
            Refused: The server will not refresh.
            VaultUnavailable: The vault cannot be used.
        """
        before = self._load()
        decision = judge(before, self._world.now().wall, min_ttl)
        if isinstance(decision, Use) and not renew:
            return decision.access_token
        if self.profile.is_machine:
            with self._vault.lock(self.profile.name):
                return self._ask_again(before, min_ttl, renew=renew).access_token
        if isinstance(decision, LogIn) or before is None:
            _need_login(self.profile)
        with self._vault.lock(self.profile.name):
            return self._renew(before, min_ttl, renew=renew).access_token

    def send(self, request: Request) -> Response:
        """Send a request with the token; after a 401, once more with a renewed one. No redirect is followed.

        Raises:
            Misuse: The address is neither https nor on this machine.
            KeyfobError: As `token`, or nobody answers.
        """
        if not is_safe(request.url):
            raise Misuse("a token is not sent over plain http beyond this machine", hint="Use the API's https address.")
        first = self.token()
        response = self._world.send(_bring(request, first))
        if response.status != _UNAUTHORIZED:
            return response
        try:
            second = self.token(renew=True)
        except KeyfobError:
            return response  # what the API said is worth more than why it could not be mended
        return response if second == first else self._world.send(_bring(request, second))

    def log_out(self) -> LoggedOut:
        """End the login at the server, and forget it here whatever the server says.

        Raises:
            LoginRequired: There is nothing to end.
        """
        with self._vault.lock(self.profile.name):
            held = self.held()
            try:
                return drive(log_out(held, self._program(held)), self._world)
            finally:
                self._vault.forget(self.profile.name)

    def _renew(self, before: Held, min_ttl: timedelta, *, renew: bool) -> Held:
        """Refresh under the lock, or adopt what somebody else got while we waited for it.

        Raises:
            LoginRequired: Only the person can help.
            Unreachable: The server does not answer, and the token at hand will not do.
        """
        held = self._load()
        moment = self._world.now().wall
        if held is None:
            _need_login(self.profile)
        is_new = held.access_token != before.access_token
        if isinstance(judge(held, moment, min_ttl), Use) and (is_new or not renew):
            return held
        if held.refresh_token is None:
            _need_login(self.profile)
        try:
            fresh = drive(refresh(held, held.refresh_token, self._program(held)), self._world)
        except LoginRequired:
            self._vault.keep(self.profile.name, replace(held, refresh_token=None))
            raise
        except Unreachable:
            if not renew and _is_better_than_nothing(held, moment, min_ttl):
                return held
            raise
        self._vault.keep(self.profile.name, fresh)
        return fresh

    def _ask_again(self, before: Held | None, min_ttl: timedelta, *, renew: bool) -> Held:
        """A machine's next token, under the lock: of many that want one, one asks, since Auth0 bills each.

        Raises:
            Refused: The server does not let the program in any more.
            Unreachable: The server does not answer, and the token at hand will not do.
        """
        held, moment = self._load(), self._world.now().wall
        is_new = held is not None and (before is None or held.access_token != before.access_token)
        if held is not None and isinstance(judge(held, moment, min_ttl), Use) and (is_new or not renew):
            return held
        try:
            fresh = drive(self._flow(), self._world)
        except Unreachable:
            if held is not None and not renew and _is_better_than_nothing(held, moment, min_ttl):
                return held
            raise
        self._vault.keep(self.profile.name, fresh)
        return fresh

    def _program(self, held: Held) -> Program:
        """Who asks, at the server that the login is held from. Raises `Misuse` as `_prove` does."""
        return Program(held.client_id, held.issuer, self._prove(), held.methods)

    def _prove(self) -> Credential | None:
        """What the program proves itself with.

        Raises:
            Misuse: It is not where the profile says.
        """
        source = self.profile.credential
        if source is None:
            return None
        if self._credential is None:
            raise Misuse("nobody can read this program's secret here")
        return self._credential(source)

    def _flow(self, *, opens_page: bool = False) -> Flow[Held]:
        """The login that the profile means.

        Raises:
            Misuse: The program's secret or key is not where the profile says.
        """
        # Signatures cost 100 ms to import; a kept token needs none.
        credential = self._prove()
        if credential is None or not self.profile.is_machine:
            from keyfob.client import login_flow  # noqa: PLC0415

            return login_flow.log_in(self.profile, credential, opens_page=opens_page)
        from keyfob.client import credentials_flow  # noqa: PLC0415

        return credentials_flow.log_in(self.profile, credential)

    def _load(self) -> Held | None:
        found = self._vault.load(self.profile.name)
        wanted = (self.profile.issuer, self.profile.client_id, self.profile.audience)
        return found if found and (found.issuer, found.client_id, found.audience) == wanted else None


def _is_better_than_nothing(held: Held, moment: datetime, min_ttl: timedelta) -> bool:
    """Whether a token is still good for a moment, and nobody has asked for more."""
    return isinstance(judge(held, moment, timedelta()), Use) and min_ttl <= DEFAULT_MIN_TTL


def _bring(request: Request, token: Secret) -> Request:
    return replace(request, headers=(*request.headers, ("authorization", f"Bearer {token.reveal()}")))


def _need_login(profile: Profile) -> NoReturn:
    """Say which command helps.

    Raises:
        LoginRequired: Always.
    """
    raise LoginRequired("not logged in", hint=f"Run: {command('login', profile.name)}")

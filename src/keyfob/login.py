"""Door: a program that wants a token.

from keyfob.login import App

app = App(issuer="https://login.example.com/", client_id="...", audience="https://api.example.com")
app.log_in()                     # shows a code; the person approves on any device
app.session().token()            # a valid access token, or LoginRequired
app.session().http().get(...)    # an httpx2.Client that brings the token, and renews it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.client.cached import DEFAULT_MIN_TTL
from keyfob.client.held import Held
from keyfob.client.io.vault_file import FileVault, ProfileFiles
from keyfob.client.logout_flow import LoggedOut
from keyfob.client.notices import (
    BrowserOpened,
    CodeShown,
    NetworkTrouble,
    Notice,
    ScopeNarrowed,
    SlowedDown,
    StillPending,
)
from keyfob.client.ports import Vault, World
from keyfob.client.profile import DEFAULT, Profile, check_name
from keyfob.client.session import Session as ClientSession
from keyfob.client.source import Source
from keyfob.protocol.http import Request, Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    import httpx2  # noqa: TID251  only its name, for whoever reads the signature

    from keyfob.client.credential import Credential

__all__ = [
    "App",
    "BrowserOpened",
    "CodeShown",
    "Held",
    "LoggedOut",
    "NetworkTrouble",
    "Notice",
    "Profile",
    "ProfileFiles",
    "ScopeNarrowed",
    "Session",
    "SlowedDown",
    "Source",
    "StillPending",
    "check_name",
]

STANDARD_SCOPES = ("openid", "profile", "email", "offline_access")


class Session:
    """A login that is kept."""

    def __init__(self, session: ClientSession) -> None:
        """Made by `App.session`."""
        self._session = session

    def token(self, min_ttl: timedelta = DEFAULT_MIN_TTL) -> str:
        """A valid access token, refreshed if need be; never opens a browser.

        Raises `LoginRequired`, `Unreachable`, `Refused` or `VaultUnavailable`.
        """
        return self._session.token(min_ttl).reveal()

    def held(self) -> Held:
        """Who is logged in, with which scope, until when. Raises `LoginRequired`."""
        return self._session.held()

    def http(self) -> httpx2.Client:
        """An HTTP client that brings the token to the first origin it calls, and renews it once after a 401."""
        from keyfob.client.io.http_auth import client_of  # noqa: PLC0415  httpx2 costs 70 ms

        def token(*, renew: bool) -> Secret:
            return self._session.token(renew=renew)

        return client_of(token)

    def send(self, request: Request) -> Response:
        """One request with the token, renewed once after a 401; no redirect is followed. Raises `KeyfobError`."""
        return self._session.send(request)

    def call(
        self, request: Request, write: Callable[[bytes], None], head: Callable[[Response], None] | None = None
    ) -> Response:
        """As `send`, for answers of any length: the body goes to `write`, piece by piece, and is not kept.

        Status and headers go to `head` before it; they are what comes back, too.

        Raises `LoginRequired`, `Unreachable`, `Malformed`, `Misuse`, `Refused` or `VaultUnavailable`.
        """
        from keyfob.client.io.http_auth import call  # noqa: PLC0415

        with self.http() as client:
            return call(client, request, write, head)

    def log_out(self) -> LoggedOut:
        """End the login at the server and forget it here. Raises `LoginRequired`."""
        return self._session.log_out()


class App:
    """A program that logs people in at one issuer."""

    def __init__(  # noqa: PLR0913  settings, each by its name
        self,
        *,
        issuer: str,
        client_id: str,
        audience: str | None = None,
        scopes: Iterable[str] = (),
        profile: str = DEFAULT,
        home: Path | None = None,
        machine: Source | None = None,
        vault: Vault | None = None,
        world: World | None = None,
    ) -> None:
        """Know what to ask for; nothing is asked yet.

        Args:
            issuer: Exactly as its metadata writes it.
            client_id: This program's, at that issuer.
            audience: The API's identifier.
            scopes: What to ask for; for a person, openid, profile, email and offline_access come by themselves.
            profile: The name under which the login is kept.
            home: A folder for the vault, instead of the platform's.
            machine: Where this program's own secret or key lies, if it logs in as itself and for no person.
            vault: Another vault altogether.
            world: Another network and clock, for tests.
        """
        asked = Scope.of(scopes if machine else (*STANDARD_SCOPES, *scopes))
        self.profile = Profile(profile, issuer, client_id, audience, asked, machine)
        self._vault = vault or FileVault(home)
        self._world = world

    def log_in(
        self, tell: Callable[[Notice], None] | None = None, *, browser_ports: Iterable[int] | None = None
    ) -> Held:
        """Let the person log in; blocks until they have. A machine logs in at once.

        Args:
            tell: Who shows the person what to do; the terminal, if nobody says.
            browser_ports: Log in through this machine's browser, which comes back to one of these ports, or to any if
                there are none. None: on any device, by a code.

        Raises `KeyfobError`.
        """
        ports = None if browser_ports is None else tuple(browser_ports)
        if tell is not None or self.profile.machine is not None:
            return self._open(self._find_world(tell)).log_in(ports)
        from keyfob.client.io.terminal import Terminal  # noqa: PLC0415

        terminal = Terminal.of_process()
        try:
            world = self._find_world(terminal.tell, terminal.tick)
            return self._open(world).log_in(ports)
        finally:
            terminal.clear()

    def session(self) -> Session:
        """The login that is kept, if any."""
        return Session(self._open(self._find_world()))

    def _open(self, world: World) -> ClientSession:
        return ClientSession(self.profile, self._vault, world, _read_credential)

    def _find_world(
        self, tell: Callable[[Notice], None] | None = None, tick: Callable[[], None] | None = None
    ) -> World:
        from keyfob.client.io.world import SystemWorld, idle, nobody  # noqa: PLC0415

        return self._world or SystemWorld(tell or nobody, tick=tick or idle)


def _read_credential(source: Source) -> Credential:
    from keyfob.client.io.credentials import read_credential  # noqa: PLC0415  keys cost 100 ms; a kept token needs none

    return read_credential(source)

"""Part of the door `keyfob.login`: a program that logs people in, or itself."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from keyfob.client.model.account_mismatch import accept_any, keep_account
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.certificate import Certificate, CertificateFiles
from keyfob.client.model.presets import expand, habits_of
from keyfob.client.model.profile import DEFAULT, Dpop, Profile
from keyfob.errors import Misuse
from keyfob.protocol.scope import Scope
from keyfob.run import run

if TYPE_CHECKING:  # what does the work is loaded when there is some
    from pathlib import Path
    from typing import TextIO

    from keyfob.client.flows.choice import Choice
    from keyfob.client.io.terminal.terminal import Terminal
    from keyfob.client.model.credential import Credential
    from keyfob.client.model.flow_names import FlowName
    from keyfob.client.model.notices import Notice
    from keyfob.client.model.pending_login import PendingLogin
    from keyfob.client.model.question import Question
    from keyfob.client.model.source import AssertionAudience, IdentityUse, Source
    from keyfob.client.model.step_up import StepUp
    from keyfob.client.model.stored_login import StoredLogin
    from keyfob.client.ports import Vault, World
    from keyfob.client.session.login import Login
    from keyfob.login.session import Session
    from keyfob.protocol.metadata import ServerMetadata
    from keyfob.protocol.secret import Secret


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
        credential: Source | None = None,
        is_machine: bool = False,
        is_resource: bool = False,
        callbacks: Iterable[str] = (),
        endpoints: Mapping[str, str] | None = None,
        allows_password: bool = False,
        realm: str | None = None,
        username: str | None = None,
        flow: FlowName = "auto",
        store: str | None = None,
        identity: Source | None = None,
        identity_as: IdentityUse | None = None,
        ca: Path | str | None = None,
        assertion_audience: AssertionAudience = "issuer",
        dpop: Dpop = "off",
        certificate: Path | str | None = None,
        certificate_key: Path | str | None = None,
        vault: Vault | None = None,
        world: World | None = None,
    ) -> None:
        """Know what to ask for; nothing is asked yet.

        Args:
            issuer: Exactly as its metadata writes it, or a short name: `auth0:TENANT.REGION`, `github`, `google`,
                `keycloak:URL/REALM`, `microsoft:TENANT`, `okta:DOMAIN`.
            client_id: This program's, at that issuer.
            audience: The API's identifier.
            scopes: What to ask for; for a person, openid, profile, email and offline_access come by themselves, where
                the issuer knows them.
            profile: The name under which the login is kept.
            home: A folder for the vault, instead of the platform's.
            credential: Where this program's own secret or key lies, if it has one.
            is_machine: Log in as the program itself, for no person.
            is_resource: The server is told the API as `resource` (RFC 8707), and not as Auth0's `audience`.
            callbacks: Where a browser may come back to, if the issuer compares that: `http://127.0.0.1:8484/callback`.
            endpoints: Addresses that the issuer's metadata does not say.
            allows_password: A person's password may be taken (legacy).
            realm: Whose password it is, where the server has several directories.
            username: Who logs in with a password; asked for if nobody says. The password is asked for in any case.
            flow: How a person logs in: by this machine's browser, by a code on any device, by pasting what a browser
                elsewhere ends at; `auto` is the safest of them that this place and the issuer allow.
            store: How tokens are kept, if that is said anew: "require" for sealed or not at all, "prefer" for sealed if
                there is a place for a key, "file" for a plain file.
            identity: Where the platform's token lies by which a machine says what it is.
            identity_as: How that is used: exchanged, as the program's proof of itself, or as the grant; None for what
                the issuer usually takes.
            assertion_audience: For whom the program's key signs: the issuer, or an older server's token endpoint.
            ca: A file of authorities, in PEM, to trust beside the system's.
            dpop: Bind tokens to a key that only this login has (RFC 9449): "prefer", where the server can; "require",
                or else fail. They work only with proofs: through `Session.http`, `send`, `call` and `auth_for_*`.
            certificate: A file with this program's certificate, in PEM, which is shown to the issuer and the API where
                they ask for one (RFC 8705). It proves the program where that has no secret, key or identity to do so.
            certificate_key: A file with its private key, if that does not stand in the same one.
            vault: Another vault altogether.
            world: Another network and clock, for tests.

        Raises `Misuse`.
        """
        found = expand(issuer)
        habits = habits_of(found.issuer)
        self.profile: Profile = Profile(
            profile,
            found.issuer,
            client_id,
            audience,
            Scope.of(scopes if is_machine else (*habits.scopes, *scopes)),
            credential,
            is_machine=is_machine,
            is_resource=is_resource,
            callbacks=tuple(callbacks),
            endpoints={**found.endpoints, **(endpoints or {})},
            allows_password=allows_password,
            realm=realm,
            username=username,
            flow=flow,
            identity=identity,
            identity_as=identity_as or habits.identity_as,
            ca=None if ca is None else str(ca),
            assertion_audience=assertion_audience,
            dpop=dpop,
            certificate=_files(certificate, certificate_key),
        )
        self._home = home
        self.vault: Vault = vault or _file_vault(home, store)
        self._world = world

    def log_in(
        self,
        notify: Callable[[Notice], None] | None = None,
        *,
        ask: Callable[[Question], Secret] | None = None,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        may_replace_account: Callable[[StoredLogin, StoredLogin], bool] = keep_account,
        accepts: Callable[[StoredLogin], bool] = accept_any,
    ) -> StoredLogin:
        """Let the person log in; blocks until they have. A machine logs in at once.

        If another thread or process logs the same profile in at this moment, the notice `LoginInAnotherProcess` is
        shown and this call waits. It returns that login if the same was asked for; else the user logs in here.

        Args:
            tell: Who shows the person what to do; the terminal, if nobody says.
            ask: Who asks the person for a name or a password; the terminal, if nobody says.
            opens_page: With a code: open the page with the code in it on this machine. Never done unasked.
            assurance: How sure the login must be, and how old it may be.
            may_switch: Asked with the login before and the new one when it is another person: may it take the other's
                place? If nobody says, it may not, and the login fails with the code `account-mismatch`.
            may_adopt: Asked with a login that was made elsewhere meanwhile: will it do here? If nobody says, it will.

        Raises `KeyfobError`.
        """
        with self.at_screen(notify, ask) as world:
            flow = self.login(world).log_in(
                opens_page=opens_page, assurance=assurance, may_replace_account=may_replace_account, accepts=accepts
            )
            return run(flow)

    def step_up(self, wanted: StepUp, notify: Callable[[Notice], None] | None = None) -> StoredLogin:
        """Log in again with what an API wants beyond what there is. Meant for `session(step_up=app.step_up)`.

        Raises:
            LoginRequired: Nobody is here who could; the hint is the command that does it.
            KeyfobError: The login failed otherwise.
        """
        with self.at_screen(notify) as world:
            return run(self.login(world).log_in_again(wanted))

    def plan(self) -> Choice:
        """Which ways there are for a person to log in from here, the safest first, and why. Raises `KeyfobError`."""
        with self.at_screen(None) as world:
            return run(self.login(world).plan())

    def metadata(self) -> ServerMetadata:
        """What the issuer says of itself, asked just now. Raises `KeyfobError`."""
        from keyfob.client.flows.discovery import discover  # noqa: PLC0415  a kept token needs none

        return run(discover(self.find_world(), self.profile))

    def begin(
        self, notify: Callable[[Notice], None] | None = None, *, assurance: Assurance = ANY_LOGIN
    ) -> PendingLogin:
        """Show the person a code and come back at once; `resume` waits for them, in this process or another."""
        with self.at_screen(notify) as world:
            return run(self.login(world).begin(assurance))

    def resume(
        self,
        notify: Callable[[Notice], None] | None = None,
        *,
        may_replace_account: Callable[[StoredLogin, StoredLogin], bool] = keep_account,
        accepts: Callable[[StoredLogin], bool] = accept_any,
    ) -> StoredLogin:
        """Wait for the person who was shown a code. Raises `LoginRequired` where nobody was, else as `log_in`."""
        with self.at_screen(notify) as world:
            return run(self.login(world).resume(may_replace_account, accepts))

    @contextmanager
    def at_screen(
        self, notify: Callable[[Notice], None] | None, ask: Callable[[Question], Secret] | None = None
    ) -> Generator[World]:
        """The world with whoever is to be told: the terminal, if nobody else."""
        if notify is not None or self.profile.is_machine:
            yield self.find_world(notify, ask=ask)
            return
        from keyfob.client.io.terminal.terminal import Terminal  # noqa: PLC0415

        with Terminal.of_process() as terminal:
            yield self.find_world(terminal.notify, terminal, ask)

    def session(
        self,
        notify: Callable[[Notice], None] | None = None,
        *,
        step_up: Callable[[StepUp], object] | None = None,
    ) -> Session:
        """The login that is kept, if any.

        Args:
            tell: Hears when new tokens cannot be kept.
            step_up: What to do when an API wants more scope, or a surer or younger login: `app.step_up` logs in
                again, and then the call is made once more. If nobody says, the API's answer stands.
        """
        from keyfob.login.session import Session  # noqa: PLC0415

        return Session(self.login(self.find_world(notify), step_up=step_up))

    def make_quick(self) -> None:
        """Lay the access token where `keyfob token` finds it at once, unless the vault forbids that."""
        from keyfob.client.io.vault.vault_file import FileVault  # noqa: PLC0415

        if isinstance(self.vault, FileVault):
            self.vault.make_quick(self.profile.name)

    def login(
        self, world: World, profile: Profile | None = None, step_up: Callable[[StepUp], object] | None = None
    ) -> Login:
        """The stored login over a World; what every session and command works with."""
        from keyfob.client.session.login import Login  # noqa: PLC0415  a kept token needs it, an import does not

        return Login(profile or self.profile, self.vault, world, self._read_credential, step_up)

    def find_world(
        self,
        notify: Callable[[Notice], None] | None = None,
        terminal: Terminal | None = None,
        ask: Callable[[Question], Secret] | None = None,
    ) -> World:
        """Network, clocks, and who is told and asked; another one, where that was said."""
        from keyfob.client.io.http.connections import sender_of  # noqa: PLC0415
        from keyfob.client.io.world import SystemWorld  # noqa: PLC0415

        if self._world is not None:
            return self._world
        return SystemWorld(notify, terminal=terminal, ask=ask, http=sender_of(self.profile), home=self._home)

    def _read_credential(self, source: Source | CertificateFiles) -> Credential:
        if isinstance(source, CertificateFiles):
            from keyfob.io.certified import KeyPair  # noqa: PLC0415

            return Certificate(KeyPair.of(source.certificate, source.key).thumbprint())
        # Keys cost 100 ms; a kept token needs none.
        from pathlib import Path  # noqa: PLC0415

        from keyfob.client.io.secret_sources import read_credential  # noqa: PLC0415

        return read_credential(source, None if self.profile.ca is None else Path(self.profile.ca))


def _files(certificate: Path | str | None, key: Path | str | None) -> CertificateFiles | None:
    """Where a certificate and its key lie.

    Raises:
        Misuse: There is a key for no certificate.
    """
    if certificate is None and key is not None:
        raise Misuse("a certificate_key is that of a certificate, and none is named")
    return None if certificate is None else CertificateFiles(str(certificate), None if key is None else str(key))


def _file_vault(home: Path | None, store: str | None) -> Vault:
    from keyfob.client.io.vault.seals import Seals  # noqa: PLC0415
    from keyfob.client.io.vault.vault_file import FileVault  # noqa: PLC0415
    from keyfob.client.model.storage_choice import policy_of  # noqa: PLC0415

    return FileVault(home, Seals(home, policy_of(store) if store else None))


def log_to(stream: TextIO) -> AbstractContextManager[None]:
    """Everything that this and the libraries below it log, down to the last detail and without secrets."""
    from keyfob.io import redacting  # noqa: PLC0415  logging costs more than a token that is at hand

    return redacting.log_to(stream)

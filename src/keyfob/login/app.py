"""Part of the public module `keyfob.login`: `App`, the OAuth client that logs in users and service accounts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from keyfob.client.model.assurance import ANY_LOGIN, Assurance, accept_any, keep_account
from keyfob.lazy import LazyModule
from keyfob.login.several_logins import SeveralLogins
from keyfob.run import run

if TYPE_CHECKING:
    import pathlib
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from keyfob.client.flows.choice import Choice
    from keyfob.client.io import world as worlds
    from keyfob.client.io.agent import agent_vault
    from keyfob.client.io.http import connections
    from keyfob.client.io.terminal.terminal import Terminal
    from keyfob.client.io.vault import files as vault_files
    from keyfob.client.io.vault import seals, vault_file
    from keyfob.client.model import credential as credentials
    from keyfob.client.model import presets, storage_choice
    from keyfob.client.model import profile as profiles
    from keyfob.client.model.credential import CertificateFiles, Credential
    from keyfob.client.model.login_state import PendingLogin
    from keyfob.client.model.notices import Notice
    from keyfob.client.model.profile import Dpop, FlowName, Profile
    from keyfob.client.model.source import AssertionAudience, IdentityUse, Source
    from keyfob.client.model.step_up import StepUp
    from keyfob.client.model.stored_login import StoredLogin
    from keyfob.client.ports import Question, Vault, World
    from keyfob.client.session import login as logins
    from keyfob.client.session.login import Login
    from keyfob.io import key_pair
    from keyfob.login import session as sessions
    from keyfob.login import settings_file
    from keyfob.login.session import Session
    from keyfob.protocol import scope as scope_sets
    from keyfob.protocol.http import Request, Response
    from keyfob.protocol.metadata import ServerMetadata
    from keyfob.protocol.secret import Secret
else:  # a program that imports App may never make one, and one that is made may never be used
    pathlib = LazyModule("pathlib")
    credentials = LazyModule("keyfob.client.model.credential")
    presets = LazyModule("keyfob.client.model.presets")
    profiles = LazyModule("keyfob.client.model.profile")
    scope_sets = LazyModule("keyfob.protocol.scope")
    connections = LazyModule("keyfob.client.io.http.connections")
    key_pair = LazyModule("keyfob.io.key_pair")
    agent_vault = LazyModule("keyfob.client.io.agent.agent_vault")
    seals = LazyModule("keyfob.client.io.vault.seals")
    storage_choice = LazyModule("keyfob.client.model.storage_choice")
    vault_file = LazyModule("keyfob.client.io.vault.vault_file")
    vault_files = LazyModule("keyfob.client.io.vault.files")
    logins = LazyModule("keyfob.client.session.login")
    sessions = LazyModule("keyfob.login.session")
    worlds = LazyModule("keyfob.client.io.world")
    settings_file = LazyModule("keyfob.login.settings_file")


class App(SeveralLogins):
    """An OAuth client at one issuer, and its stored login."""

    def __init__(  # noqa: PLR0913  settings, each by its name
        self,
        *,
        issuer: str,
        client_id: str,
        name: str | None = None,
        audience: str | None = None,
        scopes: Iterable[str] | str = (),
        exact_scopes: bool = False,
        profile: str | None = None,
        login_command: str = "",
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
        """Store the settings; no request is sent and no file is read.

        Args:
            issuer: The issuer identifier, exactly as in its metadata (RFC 8414 §2), or a short name:
                `auth0:TENANT.REGION`, `github`, `google`, `keycloak:URL/REALM`, `microsoft:TENANT`, `okta:DOMAIN`.
            client_id: The client's identifier at that issuer.
            name: The name of your program, as users type it. With a name, the program's logins are stored in a separate
                folder, users may have several logins (`under`, `choose`), and messages begin with the name.
            audience: The API's identifier; None if tokens are for no particular API.
            scopes: The scopes to request, as a list or separated by spaces. For a user, openid, profile, email and
                offline_access are added, as far as the issuer supports them.
            exact_scopes: Whether exactly `scopes` are requested, with nothing added.
            profile: The name of the stored login. None derives a unique name from issuer, client and API. A login of
                another client or issuer under this name is never overwritten.
            login_command: The command by which users log in to your program, such as `orders login`, for error
                messages. The default is `login` after the `name`. Without a `name`, messages begin with the command's
                first word.
            home: The folder of the vault and the state files. None selects the program's own folder or, without a
                `name`, the folder of keyfob's command.
            credential: Where the client's secret or private key is stored; None if the client has none.
            is_machine: Whether this is a service account, which logs in without a user (RFC 6749 §4.4).
            is_resource: Whether `audience` is sent as the parameter `resource` (RFC 8707), not as Auth0's `audience`.
            callbacks: The registered redirect URIs such as `http://127.0.0.1:8484/callback`, if the issuer requires an
                exact match; () uses any free port.
            endpoints: Endpoint addresses that replace or complete the issuer's metadata, by metadata name such as
                `token_endpoint`.
            allows_password: Whether `flow="password"` is allowed (RFC 6749 §4.3, legacy).
            realm: The user directory for a password login, if the server has several directories.
            username: The user name for a password login; None to ask the user. The user is always asked for the
                password.
            flow: How a user logs in: `browser` on this machine, `device` for a code on any device (RFC 8628), `paste`
                for a redirect URI from a browser elsewhere, `password`, or `auto` for the safest flow that is possible.
            store: How tokens are stored: "require" for encrypted or not at all, "prefer" for encrypted if a key can be
                stored, "file" for a plain file. None keeps the choice of an earlier login.
            identity: The source of a service account's platform token (workload identity).
            identity_as: How the platform token is used: `exchange` (RFC 8693), `assertion` (RFC 7523 §2.2) or `grant`
                (RFC 7523 §2.1); None for the issuer's default.
            ca: A PEM file of certificate authorities to trust in addition to the system's.
            assertion_audience: The audience of client assertions: `issuer`, or `token_endpoint` for older servers.
            dpop: Whether tokens are bound to a key (RFC 9449): "off" for never, "prefer" for tokens of a server that
                supports DPoP, "require" for always, so that the login fails at other servers. APIs accept a bound token
                only with a DPoP proof, which `Session.http`, `send`, `call` and `auth_for_*` send.
            certificate: A PEM file with the client's certificate, presented to the issuer and the API if they request
                one (RFC 8705). If `credential` and `identity` are None, the certificate authenticates the client.
            certificate_key: A PEM file with the certificate's private key; None if `certificate` contains the key.
            vault: The storage for logins; None for encrypted or plain files, as `store` says.
            world: A fake network, clock and user for tests; None for the real ones.

        Raises:
            Misuse: A setting is invalid, or two settings contradict each other.
        """
        found = presets.expand(issuer)
        habits = presets.habits_of(found.issuer)
        own = profiles.own_name(found.issuer, client_id, audience, is_machine=is_machine, program=name)
        self._settings: Profile = profiles.Profile(
            own if profile is None else profile,
            found.issuer,
            client_id,
            audience,
            scope_sets.Scope.of(scopes.split() if isinstance(scopes, str) else scopes),
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
            certificate=credentials.CertificateFiles.of(certificate, certificate_key),
            login_command=login_command or ("" if name is None else f"{name} login"),
            program_name=name or "",
            has_exact_scope=exact_scopes,
        )
        self._home = vault_files.program_home(name) if name is not None and home is None else home
        self.vault: Vault = vault or _vault_of(self._settings, self._home, store)
        self._world = world
        has_own_vault = vault is None and isinstance(self.vault, vault_file.FileVault)  # else an agent chooses
        self._may_choose = name is not None and profile is None and has_own_vault

    @classmethod
    def from_toml(cls, path: Path | Traversable) -> Self:
        """Create an App from a settings file in the program's package: `Path(__file__).with_name("login.toml")`.

        The file may set each argument of `App` whose value is a string, a list of strings or a boolean. It may also
        have the table `endpoints`. The path of `ca` is relative to the file. The file cannot contain a secret.

        Raises:
            Misuse: The file cannot be read, is not TOML, or has an unknown or wrong setting.
        """
        return cls(**settings_file.read_settings(path))

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
        """Log in the user, and block until the login is done. A service account logs in without a user.

        If another thread or process is logging the same profile in, the notice `LoginInAnotherProcess` is shown and
        this call waits. If that login was requested with the same settings, this call returns it; if not, the user logs
        in again.

        Args:
            notify: Receives the notices for the user; None shows the notices on the terminal.
            ask: Asks the user for a name or a password; None asks on the terminal.
            opens_page: Whether the device flow opens `verification_uri_complete` in this machine's browser (RFC 8628
                §3.3.1).
            assurance: Requirements on the user's authentication: its methods and its age (OpenID Connect Core
                §3.1.2.1).
            may_replace_account: Called with the stored and the new login if they belong to different users or clients;
                returns whether the new login replaces the stored login. By default it returns False, and the login
                fails with the code `account-mismatch` or `profile-taken`.
            accepts: Called with a login that another process made while this call waited; returns whether this call may
                return that login. By default it returns True.

        Returns:
            The stored login.

        Raises:
            LoginRequired: No user is present.
            LoginDeclined: The user declined.
            TimedOut: The user did not answer in time.
            Refused: The server refuses; the code and the hint say why.
            InvalidToken: The ID token fails verification (OpenID Connect Core §3.1.3.7).
            Unreachable: The server does not answer.
            Malformed: A response violates the protocol.
            VaultUnavailable: The login cannot be stored.
            Misuse: The settings are unusable.
        """
        with self.at_screen(notify, ask) as world:
            flow = self.login(world).log_in(
                opens_page=opens_page, assurance=assurance, may_replace_account=may_replace_account, accepts=accepts
            )
            return run(flow)

    def step_up(self, wanted: StepUp, notify: Callable[[Notice], None] | None = None) -> StoredLogin:
        """Log in again with the scope and authentication that the stored login lacks for an API (RFC 9470).

        Pass this method to a session: `session(step_up=app.step_up)`.

        Args:
            wanted: The scope and the authentication that the API requires.
            notify: Receives the notices for the user; None shows the notices on the terminal.

        Raises:
            LoginRequired: No user is present; the hint is the command to run.
            KeyfobError: Any error of `log_in`.
        """
        with self.at_screen(notify) as world:
            return run(self.login(world).log_in_again(wanted))

    def plan(self) -> Choice:
        """Return the login flows that are possible in this environment, the safest first, and the reasons.

        Raises:
            KeyfobError: The issuer's metadata cannot be fetched or used.
        """
        with self.at_screen(None) as world:
            return run(self.login(world).plan())

    def metadata(self) -> ServerMetadata:
        """Fetch the issuer's metadata (RFC 8414).

        Raises:
            KeyfobError: The metadata cannot be fetched or used.
        """
        return run(self.login(self.find_world()).metadata())

    def begin(
        self, notify: Callable[[Notice], None] | None = None, *, assurance: Assurance = ANY_LOGIN
    ) -> PendingLogin:
        """Show the user a code (RFC 8628 §3.3) and return; `resume` waits for the user, in this or another process.

        Raises:
            KeyfobError: Any error of `log_in`.
        """
        with self.at_screen(notify) as world:
            return run(self.login(world).begin(assurance))

    def resume(
        self,
        notify: Callable[[Notice], None] | None = None,
        *,
        may_replace_account: Callable[[StoredLogin, StoredLogin], bool] = keep_account,
        accepts: Callable[[StoredLogin], bool] = accept_any,
    ) -> StoredLogin:
        """Wait for the user to whom `begin` showed a code. The arguments are those of `log_in`.

        Raises:
            LoginRequired: There is no pending login.
            KeyfobError: Any error of `log_in`.
        """
        with self.at_screen(notify) as world:
            return run(self.login(world).resume(may_replace_account, accepts))

    @contextmanager
    def at_screen(
        self,
        notify: Callable[[Notice], None] | None,
        ask: Callable[[Question], Secret] | None = None,
        *,
        copies_code: bool = False,
    ) -> Generator[World]:
        """Yield the `World` of a login: its network, its clock and its user.

        The user receives the notices by `notify` or, if that is None, on the terminal. With `copies_code`, the terminal
        copies the user code to the clipboard.
        """
        if notify is not None or self.profile.is_machine:
            yield self.find_world(notify, ask=ask)
            return
        from keyfob.client.io.terminal.terminal import Terminal  # noqa: PLC0415  only a login needs it

        with Terminal.of_process(self.profile.program) as terminal:
            terminal.copies_code = copies_code
            yield self.find_world(terminal.notify, terminal, ask)

    def session(
        self,
        notify: Callable[[Notice], None] | None = None,
        *,
        step_up: Callable[[StepUp], object] | None = None,
    ) -> Session:
        """Return a session of the stored login, which is read on first use.

        Args:
            notify: Receives a notice when new tokens cannot be stored; None drops the notice.
            step_up: Called when an API requires more scope, or a stronger or more recent login (RFC 9470).
                For example, `app.step_up` logs in again. Then the session repeats the call. If None, the session
                returns the API's denial.
        """
        return sessions.Session(self.login(self.find_world(notify), step_up=step_up))

    def make_quick(self) -> None:
        """Write the quick file, which `keyfob token` reads first. Write nothing if the vault's settings forbid it."""
        if isinstance(self.vault, vault_file.FileVault):
            self.vault.make_quick(self.profile.name)

    def login(
        self, world: World, profile: Profile | None = None, step_up: Callable[[StepUp], object] | None = None
    ) -> Login:
        """Return the `Login` that sessions and commands use, with `world` as its network, clock and user."""
        return logins.Login(profile or self.profile, self.vault, world, self._read_credential, step_up)

    def find_world(
        self,
        notify: Callable[[Notice], None] | None = None,
        terminal: Terminal | None = None,
        ask: Callable[[Question], Secret] | None = None,
    ) -> World:
        """Return the constructor's `world` argument; if it was None, a `SystemWorld` for this process."""
        if self._world is not None:
            return self._world

        def send(request: Request) -> Response:
            return connections.sender_of(self.profile)(request)

        return worlds.SystemWorld(notify, terminal=terminal, ask=ask, http=send, home=self._home)

    def _read_credential(self, source: Source | CertificateFiles) -> Credential:
        if isinstance(source, credentials.CertificateFiles):
            return credentials.Certificate(key_pair.KeyPair.of(source.certificate, source.key).thumbprint())
        from keyfob.client.io.secret_sources import read_credential  # noqa: PLC0415  cryptography is slow to import

        return read_credential(source, None if self.profile.ca is None else pathlib.Path(self.profile.ca))


def _vault_of(profile: Profile, home: Path | None, store: str | None) -> Vault:
    """Return the vault: the agent's vault for a user's login if KEYFOB_AGENT is set, else the vault in files."""
    agent = None if profile.is_machine else vault_files.agent_socket()
    if agent is not None:
        return agent_vault.vault_of(agent, profile)
    return vault_file.FileVault(home, seals.Seals(home, storage_choice.policy_of(store) if store else None))

"""A login that is kept: a valid token when asked, refreshed once for everybody, ended for real."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NoReturn

from keyfob.client.asks import Flow
from keyfob.client.assurance import ANY_LOGIN, Assurance
from keyfob.client.cached import DEFAULT_MIN_TTL, LogIn, Use, judge
from keyfob.client.calls import Brought, Calls
from keyfob.client.drive import drive
from keyfob.client.held import Held
from keyfob.client.logout_flow import LoggedOut, log_out
from keyfob.client.notices import VaultNote
from keyfob.client.ports import Vault, World
from keyfob.client.presets import habits_of
from keyfob.client.profile import Profile, command
from keyfob.client.program import Program
from keyfob.client.refresh_flow import refresh
from keyfob.client.server_time import by_server_time
from keyfob.client.source import Source
from keyfob.client.step_up import StepUp
from keyfob.errors import LoginRequired, Malformed, Misuse, Refused, Unreachable, VaultUnavailable
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.choose import Choice
    from keyfob.client.credential import Credential
    from keyfob.client.pending import PendingLogin
    from keyfob.client.prover import Prover

SWITCH_HINT: Final = "Log in as before, or let the other take its place: keyfob login --switch-account"
_ID_BYTES: Final = 16
_LOOKS: Final = (timedelta(), timedelta(milliseconds=100), timedelta(milliseconds=400))


def refuse_switch(_before: Held, _after: Held) -> bool:
    """Nobody may take another's place."""
    return False


class Session:
    """One profile's login, in one vault, in one world. Threads and processes may share the vault."""

    def __init__(
        self,
        profile: Profile,
        vault: Vault,
        world: World,
        credential: Callable[[Source], Credential] | None = None,
        step_up: Callable[[StepUp], object] | None = None,
    ) -> None:
        """Know where to look; look at nothing yet.

        Args:
            profile: Which login.
            vault: Where it is kept.
            world: Who answers.
            credential: Reads what a program proves itself with; needed by profiles of machines.
            step_up: Logs in again, when an API wants more of the login.
        """
        self.profile = profile
        self._credential = credential
        self._vault = vault
        self._world = world
        self._unkept: Held | None = None  # newer than what the vault has, where that cannot be written
        self._steps_up = step_up
        self._stepping = threading.Lock()
        self._provers: tuple[Secret, Prover, Prover] | None = None

    def log_in(
        self,
        *,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        may_switch: Callable[[Held, Held], bool] = refuse_switch,
    ) -> Held:
        """Let the person log in, or the program as itself, and keep what comes.

        Args:
            opens_page: With a code: open the page with the code in it on this machine.
            assurance: How sure the login must be.
            may_switch: Asked when it is another person than before: may the new login take the old one's place?

        Raises:
            KeyfobError: As the flows say; what the vault held before is untouched then.
        """
        return self._log_in(self._flow(opens_page=opens_page, assurance=assurance), may_switch)

    def plan(self) -> Choice:
        """Which ways there are to log in from here, and why. Raises as the flow."""
        from keyfob.client import login_flow  # noqa: PLC0415

        return drive(login_flow.plan(self.profile), self._world)

    def begin(self, assurance: Assurance = ANY_LOGIN) -> PendingLogin:
        """Show the person a code, and do not wait; `resume` does, here or in another process. Raises as the flow."""
        from keyfob.client import login_flow  # noqa: PLC0415

        self._make_ready()
        return drive(login_flow.begin(self.profile, self._prove(), assurance), self._world)

    def resume(self, may_switch: Callable[[Held, Held], bool] = refuse_switch) -> Held:
        """Go on with what was begun, and keep what comes. Raises as the flow."""
        from keyfob.client import login_flow  # noqa: PLC0415

        # The time that is left was written down by our own clock, so this flow lives by it.
        return self._log_in(login_flow.resume(self.profile, self._prove()), may_switch, by_own_clock=True)

    def _make_ready(self) -> None:
        told = self._vault.make_ready()  # a login that could not be kept is not worth a person's time
        if told:
            self._world.tell(VaultNote(told))

    def _log_in(
        self, flow: Flow[Held], may_switch: Callable[[Held, Held], bool], *, by_own_clock: bool = False
    ) -> Held:
        """Drive a login, and keep what it brings.

        Raises:
            Refused: Another person logged in, and that was not wanted.
        """
        self._make_ready()
        held = drive(flow, self._world) if by_own_clock else self._drive(flow)
        before = self._find_person()
        if before is not None and is_another(before, held) and not may_switch(before, held):
            drive(log_out(held, self._program(held)), self._world)  # nobody wants it: it should not stay alive
            raise Refused("another person logged in than before; the login before is kept",
                          code="another-person", hint=SWITCH_HINT)  # fmt: skip
        with self._vault.lock(self.profile.name):
            held = replace(held, generation=self._generation() + 1)
            self._vault.keep(self.profile.name, held)
        self._unkept = None
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

    def token(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> Secret:
        """A valid access token; never opens a browser.

        Args:
            min_ttl: How long it must still live; None for the usual.
            renew: Refresh even if the one at hand looks good, because an API has refused it.

        Raises:
            LoginRequired: Only the person can help.
            Unreachable: The token at hand has lapsed and the server does not answer.
            Refused: The server will not refresh.
            VaultUnavailable: The vault cannot be used.
        """
        return self.fresh(min_ttl, renew=renew).access_token

    def fresh(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> Held:
        """The login with a valid access token: for whom it matters what kind it is. As `token`, and raises so."""
        before = self._load()
        decision = judge(before, self._world.now().wall, min_ttl)
        if isinstance(decision, Use) and not renew and before is not None:
            return before
        if self.profile.is_machine:
            with self._lock():
                return self._ask_again(before, min_ttl, renew=renew)
        if isinstance(decision, LogIn) or before is None:
            _need_login(self.profile)
        with self._lock():
            return self._renew(before, min_ttl, renew=renew)

    def send(self, request: Request) -> Response:
        """Send a request with the token, once more where that may help (`Calls`). No redirect is followed.

        Raises:
            Misuse: The address is neither https nor on this machine.
            KeyfobError: As `token`, or nobody answers.
        """
        return Calls(self).send(request, self._world.send)

    def bring(self, request: Request, *, renew: bool = False) -> Brought:
        """A token for one request, with a fresh proof if it is bound to a key (RFC 9449 §7.1). Raises as `token`."""
        held = self.fresh(renew=renew)
        token, provers = held.access_token, self._find_provers(held)
        if provers is None or held.token_type != "DPoP":
            return Brought(token, (("authorization", f"Bearer {token.reveal()}"),))
        moment, chance = self._world.now().wall + held.skew, self._world.random(_ID_BYTES)
        shown = (("authorization", f"DPoP {token.reveal()}"),)
        return Brought(token, shown + provers[1].prove(request, moment, chance, token))

    def heed(self, request: Request, response: Response) -> bool:
        """Keep the nonce of an API's answer; whether there was a new one."""
        return self._provers is not None and self._provers[2].heed(request, response)

    def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        """Log in again, if somebody was named who does that; of many threads that are refused at once, one does.

        Args:
            wanted: What the API misses.
            refused: The token that it was shown.

        Raises:
            KeyfobError: As whoever logs in.
        """
        if self._steps_up is None:
            return False
        with self._stepping:
            held = self._load()
            if held is None or held.access_token == refused or wanted.scope - held.scope:
                self._steps_up(wanted)
        return True

    def log_out(self) -> LoggedOut:
        """End the login at the server, and forget it here whatever the server says.

        Raises:
            LoginRequired: There is nothing to end.
            VaultUnavailable: It cannot be forgotten.
        """
        self._vault.put_away(self.profile.name)
        with self._vault.lock(self.profile.name):
            try:
                held = self.held()
                return drive(log_out(held, self._program(held)), self._world)
            except VaultUnavailable as problem:
                # What cannot be read cannot be revoked; it is forgotten all the same.
                return LoggedOut(revoked=False, problem=problem.message, alive_until=None, is_alive=True)
            finally:
                self._unkept = None
                self._vault.forget(self.profile.name)

    def _renew(self, before: Held, min_ttl: timedelta | None, *, renew: bool) -> Held:
        """Refresh under the lock, or adopt what somebody else got while we waited for it.

        Raises:
            LoginRequired: Only the person can help.
            Unreachable: The server does not answer, and the token at hand will not do.
            Malformed: The same for an answer that makes no sense.
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
            return self._refresh(held, held.refresh_token, moment, min_ttl)
        except (Unreachable, Malformed):
            if not renew and _is_better_than_nothing(held, moment, min_ttl):
                return held
            raise

    def _refresh(self, held: Held, refresh_token: Secret, moment: datetime, min_ttl: timedelta | None) -> Held:
        """Ask the server; where it does not know the refresh token, another may have used it and kept the next one.

        Raises:
            LoginRequired: Nobody has.
        """
        try:
            fresh = self._drive(refresh(held, refresh_token, self._program(held)), held)
        except LoginRequired:
            newer = self._look_again(held)
            if newer is None:
                self._keep(held, replace(held, refresh_token=None, generation=held.generation + 1))
                raise
            if isinstance(judge(newer, moment, min_ttl), Use):
                return newer
            if newer.refresh_token is None:
                raise
            held, fresh = newer, self._drive(refresh(newer, newer.refresh_token, self._program(newer)), newer)
        return self._keep(held, fresh)

    def _look_again(self, held: Held) -> Held | None:
        """What another process has kept meanwhile, if it has; file systems of a network show it a little later."""
        for pause in _LOOKS:
            if pause:
                self._world.wait(pause)
            found = self._load()
            if found is not None and found.generation != held.generation:
                return found
        return None

    def _ask_again(self, before: Held | None, min_ttl: timedelta | None, *, renew: bool) -> Held:
        """A machine's next token, under the lock: of many that want one, one asks, since Auth0 bills each.

        Raises:
            Refused: The server does not let the program in any more.
            Unreachable: The server does not answer, and the token at hand will not do.
            Malformed: The same for an answer that makes no sense.
        """
        held, moment = self._load(), self._world.now().wall
        is_new = held is not None and (before is None or held.access_token != before.access_token)
        if held is not None and isinstance(judge(held, moment, min_ttl), Use) and (is_new or not renew):
            return held
        try:
            fresh = self._drive(self._flow(proof_key=None if held is None else held.proof_key), held)
        except (Unreachable, Malformed):
            if held is not None and not renew and _is_better_than_nothing(held, moment, min_ttl):
                return held
            raise
        return self._keep(held, replace(fresh, generation=self._generation() + 1))

    def _keep(self, before: Held | None, fresh: Held) -> Held:
        """Keep what came, unless somebody has kept something newer since we looked; gives what counts now.

        Raises:
            LoginRequired: Somebody has logged out meanwhile.
        """
        now = self._load()
        if before is not None and now is None:
            _need_login(self.profile)
        if now is not None and before is not None and now.generation != before.generation:
            return now  # where locks do not hold, a late result does not overwrite a newer one
        try:
            self._vault.keep(self.profile.name, fresh)
        except VaultUnavailable as problem:
            # The token is good all the same; the next refresh is lost, if each refresh token is for one use.
            self._unkept = fresh
            self._world.tell(VaultNote(f"the new tokens cannot be kept: {problem.message}"))
        return fresh

    @contextmanager
    def _lock(self) -> Generator[None]:
        """The vault's lock; where nothing can be written, nobody else could keep anything either.

        Raises:
            VaultUnavailable: Somebody holds it for too long.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self._vault.lock(self.profile.name))
            except VaultUnavailable as problem:
                if problem.code != "vault-readonly":
                    raise
            yield

    def _drive(self, flow: Flow[Held], before: Held | None = None) -> Held:
        """Run a flow by the server's clock, and note how far that is from ours."""
        skew: list[timedelta] = []
        held = drive(by_server_time(flow, before.skew if before else timedelta(), skew), self._world)
        return replace(held, skew=skew[-1])

    def _generation(self) -> int:
        """Of whatever lies in the vault, whoever's login it is; 0 where nothing can be read."""
        try:
            found = self._vault.load(self.profile.name)
        except VaultUnavailable:
            return 0
        return found.generation if found else 0

    def _program(self, held: Held) -> Program:
        """Who asks, at the server that the login is held from. Raises `Misuse` as `_prove` does."""
        provers = self._find_provers(held)
        return Program(
            held.client_id,
            held.issuer,
            self._prove(),
            held.methods,
            token_endpoint=held.token_endpoint,
            prover=provers and provers[0],
        )

    def _find_provers(self, held: Held) -> tuple[Prover, Prover] | None:
        """What proves that we hold the login's key: to its issuer, and to APIs."""
        if held.proof_key is None:
            return None
        if self._provers is None or self._provers[0] != held.proof_key:
            from keyfob.client.prover import Prover  # noqa: PLC0415  signatures cost 100 ms

            ours = Prover.read(held.proof_key, is_required=self.profile.dpop == "require")
            self._provers = held.proof_key, ours, Prover(ours.key)
        return self._provers[1:]

    def _find_person(self) -> Held | None:
        """The login that a new one replaces; None where there is none that can be read."""
        with suppress(VaultUnavailable):
            return self._vault.load(self.profile.name)
        return None

    def _prove(self) -> Credential | None:
        """What the program proves itself with.

        Raises:
            Misuse: It is not where the profile says.
        """
        is_asserted = self.profile.identity is not None and self.profile.identity_as == "assertion"
        found = self._read(self.profile.identity if is_asserted else self.profile.credential)
        if self.profile.assertion_audience == "issuer" or self.profile.credential is None:
            return found
        from keyfob.client.credential import PrivateKey  # noqa: PLC0415  only where a key is to sign

        return replace(found, is_legacy=True) if isinstance(found, PrivateKey) else found

    def _read(self, source: Source | None) -> Credential | None:
        """What lies there.

        Raises:
            Misuse: Nothing does, or nobody can look.
        """
        if source is None:
            return None
        if self._credential is None:
            raise Misuse("nobody can read this program's secret here")
        issuer = self.profile.issuer
        return self._credential(source.for_reader(habits_of(issuer).identity_audience or issuer))

    def _flow(
        self, *, opens_page: bool = False, assurance: Assurance = ANY_LOGIN, proof_key: Secret | None = None
    ) -> Flow[Held]:
        """The login that the profile means.

        Raises:
            Misuse: The program's secret or key is not where the profile says.
        """
        # Signatures cost 100 ms to import; a kept token needs none.
        credential = self._prove()
        if not self.profile.is_machine:
            from keyfob.client import login_flow  # noqa: PLC0415

            return login_flow.log_in(self.profile, credential, opens_page=opens_page, assurance=assurance)
        from keyfob.client import credentials_flow  # noqa: PLC0415
        from keyfob.client.credential import PlatformToken  # noqa: PLC0415

        identity = None if isinstance(credential, PlatformToken) else self._read(self.profile.identity)
        platform = identity if isinstance(identity, PlatformToken) else None
        return credentials_flow.log_in(self.profile, credential, platform, proof_key)

    def _load(self) -> Held | None:
        found = self._vault.load(self.profile.name)
        if self._unkept is not None and found is not None and found.generation < self._unkept.generation:
            found = self._unkept
        wanted = (self.profile.issuer, self.profile.client_id, self.profile.audience)
        return found if found and (found.issuer, found.client_id, found.audience) == wanted else None


def _is_better_than_nothing(held: Held, moment: datetime, min_ttl: timedelta | None) -> bool:
    """Whether a token is still good for a moment, and nobody has asked for more."""
    lives = held.expires_at is None or held.expires_at > moment + held.skew
    return lives and (min_ttl is None or min_ttl <= DEFAULT_MIN_TTL)


def is_another(before: Held, after: Held) -> bool:
    """Whether it is another person of the same issuer. A name or an e-mail address does not tell (Core §5.7)."""
    is_known = before.subject is not None and after.subject is not None
    return is_known and before.issuer == after.issuer and before.subject != after.subject


def _need_login(profile: Profile) -> NoReturn:
    """Say which command helps.

    Raises:
        LoginRequired: Always.
    """
    raise LoginRequired("not logged in", hint=f"Run: {command('login', profile.name)}")

"""All that is done with a login that is kept, as scripts that ask: one text for the blocking and the async session.

A refresh is made once for everybody: whoever wants one takes the lock, looks again, and adopts what another got.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NoReturn

from keyfob.client.asks import Flow, keep, load, locked, look, make_ready, note_turn, now, tell, wait
from keyfob.client.auth.credentials import Proofs
from keyfob.client.flows.login_lock import await_turn
from keyfob.client.flows.logout import LoggedOut, Taken, end, log_out, take_out
from keyfob.client.flows.refresh import refresh
from keyfob.client.model.account_mismatch import MayAdopt, MaySwitch, adopt_any, refuse_switch
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.lock_holder import Turn
from keyfob.client.model.notices import VaultNote
from keyfob.client.model.profile import Profile, command
from keyfob.client.model.stored_login import Held
from keyfob.client.server_time import by_server_time
from keyfob.client.session.freshness import DEFAULT_MIN_TTL, LogIn, Use, judge
from keyfob.errors import LoginRequired, Malformed, Misuse, Refused, Unreachable, VaultUnavailable
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.model.pending_login import PendingLogin

SWITCH_HINT: Final = "Log in as before, or let the other take its place: keyfob login --switch-account"
_LOOKS: Final = (timedelta(), timedelta(milliseconds=100), timedelta(milliseconds=400))


class KeptLogin:
    """One profile's login. Threads and processes may share its vault."""

    def __init__(self, profile: Profile, proofs: Proofs) -> None:
        """Know which; look at nothing yet."""
        self.profile = profile
        self._proofs = proofs
        self._unkept: Held | None = None  # newer than what the vault has, where that cannot be written

    def log_in(
        self,
        *,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        may_switch: MaySwitch = refuse_switch,
        may_adopt: MayAdopt = adopt_any,
    ) -> Flow[Held]:
        """Let the person log in, or the program as itself, and keep what comes.

        Where another process lets them log in just now, that is waited for, and what it got is adopted if it is just
        what is wanted here.

        Args:
            opens_page: With a code: open the page with the code in it on this machine.
            assurance: How sure the login must be.
            may_switch: Asked when it is another person than before: may the new login take the old one's place?
            may_adopt: Asked about what another process got meanwhile.

        Raises:
            KeyfobError: As the flows say; what the vault held before is untouched then.
        """
        yield from self._make_ready()
        last_name = ""
        if self.profile.way == "password":
            last_name = login_name_of((yield from self._readable()), self.profile)
        flow = self._flow(opens_page=opens_page, assurance=assurance, last_name=last_name)
        login = self._certified(_timed(flow))
        # A password opens no page, and is given to this process alone; without a person, whoever looks says so at once.
        if self.profile.is_machine or self.profile.way == "password" or not (yield from self._has_person()):
            return (yield from self._keep_login((yield from login), may_switch))
        return (yield from self._in_turn(Turn.of(self.profile, assurance), login, may_switch, may_adopt))

    def begin(self, assurance: Assurance = ANY_LOGIN) -> Flow[PendingLogin]:
        """Show the person a code, and do not wait; `resume` does, here or in another process. Raises as the flow."""
        from keyfob.client.flows import interactive as login_flow  # noqa: PLC0415

        yield from self._make_ready()
        return (yield from login_flow.begin(self.profile, self._proofs.credential(), assurance))

    def resume(self, may_switch: MaySwitch = refuse_switch, may_adopt: MayAdopt = adopt_any) -> Flow[Held]:
        """Go on with what was begun, or wait for another process that does, and keep what comes. Raises as the flow."""
        from keyfob.client.flows import interactive as login_flow  # noqa: PLC0415

        yield from self._make_ready()
        turn = Turn.of(self.profile, ANY_LOGIN)
        # The time that is left was written down by our own clock, so this flow lives by it.
        login = self._certified(login_flow.resume(self.profile, self._proofs.credential()))
        return (yield from self._in_turn(turn, login, may_switch, may_adopt, however=True))

    def held(self) -> Flow[Held]:
        """What the vault holds for this profile.

        Raises:
            LoginRequired: Nothing, or another login's.
        """
        found = yield from self.load()
        if found is None:
            _need_login(self.profile)
        return found

    def fresh(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> Flow[Held]:
        """The login with a valid access token; never opens a browser.

        Args:
            min_ttl: How long it must still live; None for the usual.
            renew: Refresh even if the one at hand looks good, because an API has refused it.

        Raises:
            LoginRequired: Only the person can help.
            Unreachable: The token at hand has lapsed and the server does not answer.
            Refused: The server will not refresh.
            VaultUnavailable: The vault cannot be used.
        """
        before = yield from self.load()
        renew = renew or self._is_outdated(before)
        decision = judge(before, (yield from now()).wall, min_ttl)
        if isinstance(decision, Use) and not renew and before is not None:
            return before
        name = self.profile.name
        if self.profile.is_machine:
            flow = self._ask_again(before, min_ttl, renew=renew)
            return (yield from locked(name, flow, may_be_readonly=True))
        if isinstance(decision, LogIn) or before is None:
            _need_login(self.profile)
        return (yield from locked(name, self._renew(before, min_ttl, renew=renew), may_be_readonly=True))

    def take_out(self) -> Flow[Taken]:
        """Forget the login here; `end` tells the server afterwards, which may take its time. Raises as there."""
        try:
            return (yield from take_out(self.profile.name, self.held))
        finally:
            self._unkept = None

    def end(self, taken: Taken) -> Flow[LoggedOut]:
        """End at the server what was taken out. Raises as there."""
        return (yield from end(taken, self._proofs.program))

    def load(self) -> Flow[Held | None]:
        """What counts at the moment, if it is this profile's."""
        found = yield from load(self.profile.name)
        if self._unkept is not None and found is not None and found.generation < self._unkept.generation:
            found = self._unkept
        return found if found and self._is_ours(found) else None

    def _is_ours(self, held: Held) -> bool:
        wanted = (self.profile.issuer, self.profile.client_id, self.profile.audience)
        return (held.issuer, held.client_id, held.audience) == wanted

    def _make_ready(self) -> Flow[None]:
        told = yield from make_ready()  # a login that could not be kept is not worth a person's time
        if told:
            yield from tell(VaultNote(told))

    def _has_person(self) -> Flow[bool]:
        """Whether somebody is here who could log in; a way that was named is not doubted."""
        return self.profile.way != "auto" or (yield from look())[1]

    def _in_turn(
        self, turn: Turn, login: Flow[Held], may_switch: MaySwitch, may_adopt: MayAdopt, *, however: bool = False
    ) -> Flow[Held]:
        """Log in and keep what comes, unless somebody has done so for us while we waited for our turn."""
        before = yield from self._readable()

        def will_do(held: Held) -> bool:
            is_same = before is None or not is_another(before, held)
            return self._is_ours(held) and is_same and may_adopt(held)

        found = yield from await_turn(self.profile.name, turn, will_do, however=however)
        self._unkept = None if found else self._unkept
        held = found or (yield from self._keep_login((yield from login), may_switch))
        yield from note_turn(self.profile.name, replace(turn, kept=held.generation))  # for the next who waits
        return held

    def _keep_login(self, held: Held, may_switch: MaySwitch) -> Flow[Held]:
        """Keep what a login brought.

        Raises:
            Refused: Another person logged in, and that was not wanted.
        """
        before = yield from self._readable()
        if before is not None and is_another(before, held) and not may_switch(before, held):
            yield from log_out(held, self._proofs.program(held))  # nobody wants it: it should not stay alive
            raise Refused("another person logged in than before; the login before is kept",
                          code="another-person", hint=SWITCH_HINT)  # fmt: skip
        return (yield from locked(self.profile.name, self._replace(held)))

    def _replace(self, held: Held) -> Flow[Held]:
        held = replace(held, generation=(yield from self._generation()) + 1)
        yield from keep(self.profile.name, held)
        self._unkept = None
        return held

    def _renew(self, before: Held, min_ttl: timedelta | None, *, renew: bool) -> Flow[Held]:
        """Refresh under the lock, or adopt what somebody else got while we waited for it.

        Raises:
            LoginRequired: Only the person can help.
            Unreachable: The server does not answer, and the token at hand will not do.
            Malformed: The same for an answer that makes no sense.
        """
        held = yield from self.load()
        moment = (yield from now()).wall
        if held is None:
            _need_login(self.profile)
        is_new = held.access_token != before.access_token
        if isinstance(judge(held, moment, min_ttl), Use) and (is_new or not renew):
            return held
        if held.refresh_token is None:
            _need_login(self.profile)
        try:
            return (yield from self._refresh(held, held.refresh_token, moment, min_ttl))
        except (Unreachable, Malformed):
            if not renew and _is_better_than_nothing(held, moment, min_ttl):
                return held
            raise

    def _refresh(self, held: Held, refresh_token: Secret, moment: datetime, min_ttl: timedelta | None) -> Flow[Held]:
        """Ask the server; where it does not know the refresh token, another may have used it and kept the next one.

        Raises:
            LoginRequired: Nobody has.
        """
        try:
            again = refresh(held, refresh_token, self._proofs.program(held))
            fresh = yield from self._certified(_timed(again, held))
        except LoginRequired:
            newer = yield from self._look_again(held)
            if newer is None:
                yield from self._keep(held, replace(held, refresh_token=None, generation=held.generation + 1))
                raise
            if isinstance(judge(newer, moment, min_ttl), Use):
                return newer
            if newer.refresh_token is None:
                raise
            held, again = newer, refresh(newer, newer.refresh_token, self._proofs.program(newer))
            fresh = yield from self._certified(_timed(again, newer))
        return (yield from self._keep(held, fresh))

    def _look_again(self, held: Held) -> Flow[Held | None]:
        """What another process has kept meanwhile, if it has; file systems of a network show it a little later."""
        for pause in _LOOKS:
            if pause:
                yield from wait(pause)
            found = yield from self.load()
            if found is not None and found.generation != held.generation:
                return found
        return None

    def _ask_again(self, before: Held | None, min_ttl: timedelta | None, *, renew: bool) -> Flow[Held]:
        """A machine's next token, under the lock: of many that want one, one asks, since Auth0 bills each.

        Raises:
            Refused: The server does not let the program in any more.
            Unreachable: The server does not answer, and the token at hand will not do.
            Malformed: The same for an answer that makes no sense.
        """
        held = yield from self.load()
        moment = (yield from now()).wall
        is_new = held is not None and (before is None or held.access_token != before.access_token)
        if held is not None and isinstance(judge(held, moment, min_ttl), Use) and (is_new or not renew):
            return held
        try:
            flow = self._flow(proof_key=None if held is None else held.proof_key)
            fresh = yield from self._certified(_timed(flow, held))
        except (Unreachable, Malformed):
            if held is not None and not renew and _is_better_than_nothing(held, moment, min_ttl):
                return held
            raise
        return (yield from self._keep(held, replace(fresh, generation=(yield from self._generation()) + 1)))

    def _keep(self, before: Held | None, fresh: Held) -> Flow[Held]:
        """Keep what came, unless somebody has kept something newer since we looked; gives what counts now.

        Raises:
            LoginRequired: Somebody has logged out meanwhile.
        """
        kept = yield from self.load()
        if before is not None and kept is None:
            _need_login(self.profile)
        if kept is not None and before is not None and kept.generation != before.generation:
            return kept  # where locks do not hold, a late result does not overwrite a newer one
        try:
            yield from keep(self.profile.name, fresh)
        except VaultUnavailable as problem:
            # The token is good all the same; the next refresh is lost, if each refresh token is for one use.
            self._unkept = fresh
            yield from tell(VaultNote(f"the new tokens cannot be kept: {problem.message}"))
        return fresh

    def _certified(self, flow: Flow[Held]) -> Flow[Held]:
        """What a flow brings, and the certificate that its token is bound to."""
        shown = self._proofs.certificate()
        return (yield from flow).with_certificate(None if shown is None else shown.thumbprint)

    def _is_outdated(self, held: Held | None) -> bool:
        """Whether a token is bound to a certificate that was replaced meanwhile: many live for hours only."""
        if held is None or held.certificate is None:
            return False
        try:
            shown = self._proofs.certificate()
        except Misuse:
            return False  # it may just be in the midst of that; whoever connects says what is wrong
        return shown is not None and shown.thumbprint != held.certificate

    def _readable(self) -> Flow[Held | None]:
        """Whatever lies in the vault, whoever's login it is; None where nothing can be read."""
        try:
            return (yield from load(self.profile.name))
        except VaultUnavailable:
            return None

    def _generation(self) -> Flow[int]:
        found = yield from self._readable()
        return found.generation if found else 0

    def _flow(
        self,
        *,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        proof_key: Secret | None = None,
        last_name: str = "",
    ) -> Flow[Held]:
        """The login that the profile means.

        Raises:
            Misuse: The program's secret or key is not where the profile says.
        """
        # Signatures cost 100 ms to import; a kept token needs none.
        credential = self._proofs.credential()
        if not self.profile.is_machine:
            from keyfob.client.flows import interactive as login_flow  # noqa: PLC0415

            return login_flow.log_in(
                self.profile, credential, opens_page=opens_page, assurance=assurance, last_name=last_name
            )
        from keyfob.client.flows import client_credentials as credentials_flow  # noqa: PLC0415
        from keyfob.client.model.credential import PlatformToken  # noqa: PLC0415

        identity = None if isinstance(credential, PlatformToken) else self._proofs.read(self.profile.identity)
        platform = identity if isinstance(identity, PlatformToken) else None
        return credentials_flow.log_in(self.profile, credential, platform, proof_key)


def _timed(flow: Flow[Held], before: Held | None = None) -> Flow[Held]:
    """A flow by the server's clock, which notes how far that is from ours."""
    skew: list[timedelta] = []
    held = yield from by_server_time(flow, before.skew if before else timedelta(), skew)
    return replace(held, skew=skew[-1])


def _is_better_than_nothing(held: Held, moment: datetime, min_ttl: timedelta | None) -> bool:
    """Whether a token is still good for a moment, and nobody has asked for more."""
    lives = held.expires_at is None or held.expires_at > moment + held.skew
    return lives and (min_ttl is None or min_ttl <= DEFAULT_MIN_TTL)


def login_name_of(before: Held | None, profile: Profile) -> str:
    """By which name the person would log in there again: an e-mail address, for another name is only for showing."""
    person = before.person if before is not None and before.issuer == profile.issuer else None
    return person if person is not None and "@" in person else ""


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

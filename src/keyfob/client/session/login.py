"""One stored login: log in, use, step up, log out. `keyfob.login` and `keyfob.login.aio` run the same coroutines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.client.flows.login_lock import await_turn
from keyfob.client.flows.logout import LoggedOut, end, log_out, take_out
from keyfob.client.model.account_mismatch import MayAdopt, MaySwitch, adopt_any, refuse_switch
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.lock_holder import Turn
from keyfob.client.model.notices import VaultNote
from keyfob.client.model.profile import Profile
from keyfob.client.model.step_up import StepUp
from keyfob.client.model.stored_login import Held
from keyfob.client.session.calls import Brought
from keyfob.client.session.renewal import Renewal
from keyfob.client.session.storage import need_login
from keyfob.errors import KeyfobError, LoginRequired, Refused
from keyfob.protocol.http import Request, Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.flows.choice import Choice
    from keyfob.client.model.pending_login import PendingLogin

SWITCH_HINT: Final = "Log in as before, or let the other take its place: keyfob login --switch-account"
_LOOKS: Final = (timedelta(), timedelta(milliseconds=100), timedelta(milliseconds=400))
_ID_BYTES: Final = 16


class Login(Renewal):
    """One profile's login."""

    async def log_in(
        self,
        *,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        may_switch: MaySwitch = refuse_switch,
        may_adopt: MayAdopt = adopt_any,
    ) -> Held:
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
        await self._make_ready()
        last_name = ""
        if self.profile.way == "password":
            last_name = login_name_of(await self._readable(), self.profile)

        async def log_in() -> Held:
            return await self._obtain(opens_page=opens_page, assurance=assurance, last_name=last_name)

        async with self._ending():
            # A password opens no page and is typed for this process alone; without a user, the flow fails at once.
            if self.profile.is_machine or self.profile.way == "password" or not self._has_person():
                return await self._keep_login(await log_in(), may_switch)
            return await self._in_turn(Turn.of(self.profile, assurance), log_in, may_switch, may_adopt)

    async def log_in_again(self, wanted: StepUp) -> Held:
        """Log in with what an API asks for beyond what the stored login has.

        Raises:
            LoginRequired: There is no user here who could; the hint is the command to run.
            KeyfobError: As `log_in`.
        """
        scope = (await self.held()).scope
        profile = replace(self.profile, scope=Scope(self.profile.scope.names | scope.names | wanted.scope.names))
        try:
            return await self._with(profile=profile).log_in(assurance=wanted.assurance)
        except LoginRequired as problem:
            problem.hint = f"Run in a terminal: {wanted.command(self.profile, scope)}"
            raise

    async def plan(self) -> Choice:
        """Return the flows that are possible from here, the safest first, and why."""
        from keyfob.client.flows import interactive  # noqa: PLC0415  as in `_obtain`

        return await interactive.plan(self._world, self.profile)

    async def begin(self, assurance: Assurance = ANY_LOGIN) -> PendingLogin:
        """Show the person a code, and do not wait; `resume` does, here or in another process. Raises as the flow."""
        from keyfob.client.flows import interactive  # noqa: PLC0415  as in `_obtain`

        await self._make_ready()
        return await interactive.begin(self._world, self.profile, self._proofs.credential(), assurance)

    async def resume(self, may_switch: MaySwitch = refuse_switch, may_adopt: MayAdopt = adopt_any) -> Held:
        """Go on with what was begun, or wait for another process that does, and keep what comes. Raises as the flow."""
        from keyfob.client.flows import interactive  # noqa: PLC0415  as in `_obtain`

        async def log_in() -> Held:
            # The deadline was stored in local time, so clock skew is not applied here.
            return self._certified(await interactive.resume(self._world, self.profile, self._proofs.credential()))

        await self._make_ready()
        async with self._ending():
            turn = Turn.of(self.profile, ANY_LOGIN)
            return await self._in_turn(turn, log_in, may_switch, may_adopt, however=True)

    async def held(self) -> Held:
        """What the vault holds for this profile.

        Raises:
            LoginRequired: Nothing, or another login's.
        """
        found = await self.load()
        if found is None:
            need_login(self.profile)
        return found

    async def bring(self, request: Request, *, renew: bool = False) -> Brought:
        """Return the headers that carry the token to one request, with a DPoP proof if it is bound to a key.

        Raises:
            KeyfobError: As `fresh`.
        """
        held = await self.fresh(renew=renew)
        token, provers = held.access_token, self._proofs.provers(held)
        if provers is None or held.token_type != "DPoP":
            return Brought(token, (("authorization", f"Bearer {token.reveal()}"),))
        shown = (("authorization", f"DPoP {token.reveal()}"),)
        wall = self._world.now().wall + held.skew
        return Brought(token, shown + provers[1].prove(request, wall, self._world.random(_ID_BYTES), token))

    async def send(self, request: Request) -> Response:
        """Send a request as it is, without the token."""
        return await self._world.send(request)

    def heed(self, request: Request, response: Response) -> bool:
        """Store the DPoP nonce of an API's response; return whether it is a new one (RFC 9449 §8.2)."""
        return self._proofs.heed(request, response)

    async def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        """Log in again with what an API asks for; of many callers that are refused at once, one does.

        The other threads and processes wait, so that one browser page opens, and use the result.

        Args:
            wanted: What the API asks for.
            refused: The token that it refused.

        Returns:
            Whether a step-up was configured.

        Raises:
            KeyfobError: As the login.
        """
        if self._steps_up is None:
            return False
        async with self._alone():
            held = await self.load()
            if held is None or held.access_token == refused or wanted.scope - held.scope:
                self._steps_up(wanted)
        return True

    async def log_out(self) -> LoggedOut:
        """Delete the stored login, then revoke its tokens; it is deleted also when this is interrupted.

        Raises:
            LoginRequired: There is none.
            VaultUnavailable: It could not be deleted; the tokens are revoked all the same.
            KeyfobError: The client has nothing to authenticate with.
            BaseException: Interrupted or cancelled.
        """
        try:
            taken = await take_out(self._vault, self.profile.name, self.held)
        except KeyfobError:
            raise
        except BaseException:  # perhaps while waiting for the lock
            await self._vault.forget(self.profile.name)
            raise
        finally:
            self._memory.unsaved = None
        return await end(self._world, taken, self._proofs.program)

    async def _make_ready(self) -> None:
        told = await self._vault.make_ready()  # a login that cannot be stored is not worth the user's time
        if told:
            self._world.notify(VaultNote(told))

    def _has_person(self) -> bool:
        """Whether somebody is here who could log in; a way that was named is not doubted."""
        return self.profile.way != "auto" or self._world.look()[1]

    async def _in_turn(
        self,
        turn: Turn,
        log_in: Callable[[], Awaitable[Held]],
        may_switch: MaySwitch,
        may_adopt: MayAdopt,
        *,
        however: bool = False,
    ) -> Held:
        """Log in and keep what comes, unless somebody has done so for us while we waited for our turn."""
        before = await self._readable()

        def will_do(held: Held) -> bool:
            is_same = before is None or not is_another(before, held)
            return self._is_ours(held) and is_same and may_adopt(held)

        found = await await_turn(self._world, self._vault, self.profile.name, turn, will_do, however=however)
        self._memory.unsaved = None if found else self._memory.unsaved
        held = found or await self._keep_login(await log_in(), may_switch)
        self._world.note_turn(self.profile.name, replace(turn, kept=held.generation))  # for the next who waits
        return held

    async def _keep_login(self, held: Held, may_switch: MaySwitch) -> Held:
        """Keep what a login brought.

        Raises:
            Refused: Another person logged in, and that was not wanted.
        """
        before = await self._readable()
        if before is not None and is_another(before, held) and not may_switch(before, held):
            await log_out(self._world, held, self._proofs.program(held))  # revoked, so that it does not stay valid
            raise Refused("another person logged in than before; the login before is kept",
                          code="another-person", hint=SWITCH_HINT)  # fmt: skip
        async with self._locked():
            held = replace(held, generation=await self._generation() + 1)
            await self._vault.keep(self.profile.name, held)
        self._memory.unsaved = None
        return held

    @asynccontextmanager
    async def _ending(self) -> AsyncGenerator[None]:
        """Stop the listener, send the waiting browser its final page, and release the login lock."""
        succeeded = False
        try:
            yield
            succeeded = True
        finally:
            self._world.end_turn()
            await self._world.stop_listening(succeeded=succeeded)


def login_name_of(before: Held | None, profile: Profile) -> str:
    """By which name the person would log in there again: an e-mail address, for another name is only for showing."""
    person = before.person if before is not None and before.issuer == profile.issuer else None
    return person if person is not None and "@" in person else ""


def is_another(before: Held, after: Held) -> bool:
    """Whether it is another person of the same issuer. A name or an e-mail address does not tell (Core §5.7)."""
    is_known = before.subject is not None and after.subject is not None
    return is_known and before.issuer == after.issuer and before.subject != after.subject

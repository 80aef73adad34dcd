"""One stored login: log in, use, step up, log out. `keyfob.login` and `keyfob.login.aio` run the same coroutines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.client.flows.login_lock import await_login_lock
from keyfob.client.flows.logout import LoggedOut, end, log_out, remove_login
from keyfob.client.model.account_mismatch import AcceptsLogin, MayReplaceAccount, accept_any, keep_account
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.lock_holder import LockHolder
from keyfob.client.model.notices import VaultNote
from keyfob.client.model.profile import Profile
from keyfob.client.model.step_up import StepUp
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.calls import TokenHeaders
from keyfob.client.session.renewal import Renewal
from keyfob.client.session.storage import need_login
from keyfob.errors import KeyfobError, LoginRequired, Refused
from keyfob.protocol.http import Request, Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.flows.choice import Choice
    from keyfob.client.model.pending_login import PendingLogin

MISMATCH_HINT: Final = "Log in as before, or let the other take its place: keyfob login --switch-account"
_LOOKS: Final = (timedelta(), timedelta(milliseconds=100), timedelta(milliseconds=400))
_ID_BYTES: Final = 16


class Login(Renewal):
    """One profile's login."""

    async def log_in(
        self,
        *,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        may_replace_account: MayReplaceAccount = keep_account,
        accepts: AcceptsLogin = accept_any,
    ) -> StoredLogin:
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
        await self._prepare()
        last_name = ""
        if self.profile.flow == "password":
            last_name = login_name_of(await self._readable(), self.profile)

        async def log_in() -> StoredLogin:
            return await self._obtain(opens_page=opens_page, assurance=assurance, last_name=last_name)

        async with self._ending():
            # A password opens no page and is typed for this process alone; without a user, the flow fails at once.
            if self.profile.is_machine or self.profile.flow == "password" or not self._has_user():
                return await self._store_login(await log_in(), may_replace_account)
            return await self._under_login_lock(
                LockHolder.of(self.profile, assurance), log_in, may_replace_account, accepts
            )

    async def log_in_again(self, wanted: StepUp) -> StoredLogin:
        """Log in with what an API asks for beyond what the stored login has.

        Raises:
            LoginRequired: There is no user here who could; the hint is the command to run.
            KeyfobError: As `log_in`.
        """
        scope = (await self.stored()).scope
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

        await self._prepare()
        return await interactive.begin(self._world, self.profile, self._credentials.credential(), assurance)

    async def resume(
        self, may_replace_account: MayReplaceAccount = keep_account, accepts: AcceptsLogin = accept_any
    ) -> StoredLogin:
        """Go on with what was begun, or wait for another process that does, and keep what comes. Raises as the flow."""
        from keyfob.client.flows import interactive  # noqa: PLC0415  as in `_obtain`

        async def log_in() -> StoredLogin:
            # The deadline was stored in local time, so clock skew is not applied here.
            return self._certified(await interactive.resume(self._world, self.profile, self._credentials.credential()))

        await self._prepare()
        async with self._ending():
            holder = LockHolder.of(self.profile, ANY_LOGIN)
            return await self._under_login_lock(holder, log_in, may_replace_account, accepts, however=True)

    async def stored(self) -> StoredLogin:
        """What the vault holds for this profile.

        Raises:
            LoginRequired: Nothing, or another login's.
        """
        found = await self.load()
        if found is None:
            need_login(self.profile)
        return found

    async def authorize(self, request: Request, *, renew: bool = False) -> TokenHeaders:
        """Return the headers that carry the token to one request, with a DPoP proof if it is bound to a key.

        Raises:
            KeyfobError: As `fresh`.
        """
        stored = await self.fresh(renew=renew)
        token, dpop_keys = stored.access_token, self._credentials.dpop_keys(stored)
        if dpop_keys is None or stored.token_type != "DPoP":
            return TokenHeaders(token, (("authorization", f"Bearer {token.reveal()}"),))
        shown = (("authorization", f"DPoP {token.reveal()}"),)
        wall = self._world.now().wall + stored.skew
        return TokenHeaders(token, shown + dpop_keys[1].prove(request, wall, self._world.random(_ID_BYTES), token))

    async def send(self, request: Request) -> Response:
        """Send a request as it is, without the token."""
        return await self._world.send(request)

    def store_nonce(self, request: Request, response: Response) -> bool:
        """Store the DPoP nonce of an API's response; return whether it is a new one (RFC 9449 §8.2)."""
        return self._credentials.store_nonce(request, response)

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
            stored = await self.load()
            if stored is None or stored.access_token == refused or wanted.scope - stored.scope:
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
            removed = await remove_login(self._vault, self.profile.name, self.stored)
        except KeyfobError:
            raise
        except BaseException:  # perhaps while waiting for the lock
            await self._vault.delete(self.profile.name)
            raise
        finally:
            self._memory.unsaved = None
        return await end(self._world, removed, self._credentials.client)

    async def _prepare(self) -> None:
        told = await self._vault.prepare()  # a login that cannot be stored is not worth the user's time
        if told:
            self._world.notify(VaultNote(told))

    def _has_user(self) -> bool:
        """Whether somebody is here who could log in; a way that was named is not doubted."""
        return self.profile.flow != "auto" or self._world.surroundings()[1]

    async def _under_login_lock(
        self,
        holder: LockHolder,
        log_in: Callable[[], Awaitable[StoredLogin]],
        may_replace_account: MayReplaceAccount,
        accepts: AcceptsLogin,
        *,
        however: bool = False,
    ) -> StoredLogin:
        """Log in and keep what comes, unless somebody has done so for us while we waited for our turn."""
        before = await self._readable()

        def will_do(stored: StoredLogin) -> bool:
            is_same = before is None or not is_other_account(before, stored)
            return self._is_ours(stored) and is_same and accepts(stored)

        found = await await_login_lock(self._world, self._vault, self.profile.name, holder, will_do, however=however)
        self._memory.unsaved = None if found else self._memory.unsaved
        stored = found or await self._store_login(await log_in(), may_replace_account)
        self._world.record_login(self.profile.name, replace(holder, kept=stored.generation))  # for the next who waits
        return stored

    async def _store_login(self, stored: StoredLogin, may_replace_account: MayReplaceAccount) -> StoredLogin:
        """Keep what a login brought.

        Raises:
            Refused: Another person logged in, and that was not wanted.
        """
        before = await self._readable()
        if before is not None and is_other_account(before, stored) and not may_replace_account(before, stored):
            await log_out(
                self._world, stored, self._credentials.client(stored)
            )  # revoked, so that it does not stay valid
            raise Refused("another person logged in than before; the login before is kept",
                          code="account-mismatch", hint=MISMATCH_HINT)  # fmt: skip
        async with self._locked():
            stored = replace(stored, generation=await self._generation() + 1)
            await self._vault.save(self.profile.name, stored)
        self._memory.unsaved = None
        return stored

    @asynccontextmanager
    async def _ending(self) -> AsyncGenerator[None]:
        """Stop the listener, send the waiting browser its final page, and release the login lock."""
        succeeded = False
        try:
            yield
            succeeded = True
        finally:
            self._world.release_login_lock()
            await self._world.stop_listening(succeeded=succeeded)


def login_name_of(before: StoredLogin | None, profile: Profile) -> str:
    """By which name the person would log in there again: an e-mail address, for another name is only for showing."""
    person = before.person if before is not None and before.issuer == profile.issuer else None
    return person if person is not None and "@" in person else ""


def is_other_account(before: StoredLogin, after: StoredLogin) -> bool:
    """Whether it is another person of the same issuer. A name or an e-mail address does not tell (Core §5.7)."""
    is_known = before.subject is not None and after.subject is not None
    return is_known and before.issuer == after.issuer and before.subject != after.subject

"""One stored login: log in, use, step up, log out. `keyfob.login` and `keyfob.login.aio` run the same coroutines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from keyfob.client.model.assurance import (
    ANY_LOGIN,
    AcceptsLogin,
    Assurance,
    MayReplaceAccount,
    accept_any,
    accept_any_account,
    keep_account,
)
from keyfob.client.model.presets import habits_of
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.renewal import Renewal
from keyfob.client.session.storage import naming_login, need_login, refuse_other
from keyfob.errors import KeyfobError, LoginRequired, Refused, VaultUnavailable
from keyfob.lazy import LazyModule
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.flows import discovery, given_token, interactive, login_lock, logout
    from keyfob.client.flows.choice import Choice
    from keyfob.client.model import login_state, notices
    from keyfob.client.model.login_state import LockHolder, PendingLogin
    from keyfob.client.model.step_up import StepUp
    from keyfob.client.session import calls
    from keyfob.protocol.http import Request, Response
    from keyfob.protocol.metadata import ServerMetadata
else:  # a stored token needs no flow, no notice and no call: 70 ms
    discovery = LazyModule("keyfob.client.flows.discovery")
    interactive = LazyModule("keyfob.client.flows.interactive")
    given_token = LazyModule("keyfob.client.flows.given_token")
    login_lock = LazyModule("keyfob.client.flows.login_lock")
    logout = LazyModule("keyfob.client.flows.logout")
    login_state = LazyModule("keyfob.client.model.login_state")
    notices = LazyModule("keyfob.client.model.notices")
    calls = LazyModule("keyfob.client.session.calls")

_MISMATCH: Final = "Log in with the same account as before"
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
        """Log in the user or the service account, and store the result.

        If another process is logging in with this profile, wait for it. If it requested the same login, and `accepts`
        returns True, return its login. Otherwise, log in afterwards.

        Args:
            opens_page: Whether the device flow opens `verification_uri_complete` in this machine's browser.
            assurance: Requirements on the user's authentication.
            may_replace_account: Decides whether the new login may replace a stored login of another user or client.
            accepts: Decides whether this call may return the login that another process has obtained.

        Raises:
            KeyfobError: The flow failed. The stored login is then unchanged.
        """
        await self._prepare()
        if may_replace_account is keep_account:
            await self._refuse_other()  # before the user logs in for nothing
        last_name = ""
        if self.profile.flow == "password":
            last_name = login_name_of(await self._load_any(), self.profile)

        async def log_in() -> StoredLogin:
            return await self._obtain(opens_page=opens_page, assurance=assurance, last_name=last_name)

        async with self._ending() as replaced:
            # A password is typed into this process only, and without a user the flow fails at once: no lock is needed.
            if self.profile.is_machine or self.profile.flow == "password" or not self._has_user():
                stored = await self._store_login(await log_in(), may_replace_account, replaced)
            else:
                holder = login_state.LockHolder.of(self.profile, assurance)
                stored = await self._under_login_lock(holder, log_in, may_replace_account, accepts, replaced)
        await self._end_all(replaced)
        return stored

    async def take_token(self, given: Secret, *, may_replace_account: MayReplaceAccount = keep_account) -> StoredLogin:
        """Store an access token that keyfob did not request, as a login that ends when the token expires.

        Args:
            given: The token, or a JSON object with it.
            may_replace_account: As for `log_in`.

        Raises:
            Misuse: `given` is not an access token.
            Refused: The token has expired, or is for another issuer, API or account.
            KeyfobError: The issuer's metadata cannot be fetched, or the login cannot be stored.
        """
        await self._prepare()
        metadata = await self.metadata()
        stored = given_token.read_given_token(given, self.profile, metadata, self._world.now().wall)
        before = await self._load_any()
        if before is not None and before.access_token == stored.access_token:
            return before
        async with self._ending() as replaced:
            if before is not None and is_other_client(before, stored) and not may_replace_account(before, stored):
                refuse_other(self.profile)  # the token is the user's own, and is not revoked
            if before is not None and is_other_account(before, stored) and not may_replace_account(before, stored):
                raise Refused("this token belongs to another account than the stored login, which is kept",
                              code="account-mismatch", hint=self._mismatch_hint())  # fmt: skip
            stored = await self._store_login(stored, accept_any_account, replaced)
        await self._end_all(replaced)
        return stored

    async def log_in_again(self, wanted: StepUp) -> StoredLogin:
        """Log in again, because an API requires more scope or another authentication.

        The requested scope contains the stored login's scope, the profile's scope, and the scope that the API requires.

        Raises:
            LoginRequired: No user is present; the hint is the command to run.
            KeyfobError: Any error of `log_in`.
        """
        scope = (await self.stored()).scope
        profile = replace(self.profile, scope=self.profile.scope | scope | wanted.scope)
        try:
            return await self._with(profile=profile).log_in(assurance=wanted.assurance)
        except LoginRequired as problem:
            line = wanted.command(self.profile, scope)
            problem.hint = f"Run in a terminal: {line}" if line else "Log in at a terminal."
            raise

    async def metadata(self) -> ServerMetadata:
        """Fetch the issuer's metadata. Raises the errors of `discover`."""
        return await discovery.discover(self._world, self.profile)

    async def plan(self) -> Choice:
        """Return the flows that are possible in this environment, the safest first, and the reasons."""
        return await interactive.plan(self._world, self.profile)

    async def begin(self, assurance: Assurance = ANY_LOGIN) -> PendingLogin:
        """Show the user a code, and return without waiting for the user. Raises the errors of `log_in`.

        `resume` then waits for the user. Another process may call it.
        """
        await self._prepare()
        return await interactive.begin(self._world, self.profile, self._credentials.credential(), assurance)

    async def resume(
        self, may_replace_account: MayReplaceAccount = keep_account, accepts: AcceptsLogin = accept_any
    ) -> StoredLogin:
        """Finish and store a pending login. If another process is finishing it, wait for that process.

        Raises the errors of `log_in`.
        """

        async def log_in() -> StoredLogin:
            # The deadline was stored in local time, so clock skew is not applied here.
            return self._certified(await interactive.resume(self._world, self.profile, self._credentials.credential()))

        await self._prepare()
        async with self._ending() as replaced:
            holder = login_state.LockHolder.of(self.profile, ANY_LOGIN)
            stored = await self._under_login_lock(
                holder, log_in, may_replace_account, accepts, replaced, ignores_assurance=True
            )
        await self._end_all(replaced)
        return stored

    async def stored(self, *, is_ending: bool = False) -> StoredLogin:
        """Return the stored login.

        Args:
            is_ending: As for `load`.

        Raises:
            LoginRequired: There is no stored login, or it is for another issuer, client or API.
        """
        stored = await self.load(is_ending=is_ending)
        if stored is None:
            need_login(self.profile)
        return stored

    async def authorize(self, request: Request, *, renew: bool = False) -> calls.TokenHeaders:
        """Return the headers that carry the token in one request, with a DPoP proof if the token is bound to a key.

        Raises:
            KeyfobError: Any error of `fresh`.
        """
        stored = await self.fresh(renew=renew)
        token, dpop_keys = stored.access_token, self._credentials.dpop_keys(stored)
        if dpop_keys is None or stored.token_type != "DPoP":
            return calls.TokenHeaders(token, (("authorization", f"Bearer {token.reveal()}"),))
        headers = (("authorization", f"DPoP {token.reveal()}"),)
        wall = self._world.now().wall + stored.skew
        proof = dpop_keys[1].prove(request, wall, self._world.random(_ID_BYTES), token)
        return calls.TokenHeaders(token, headers + proof)

    async def send(self, request: Request) -> Response:
        """Send a request without the token."""
        return await self._world.send(request)

    def store_nonce(self, request: Request, response: Response) -> bool:
        """Store the DPoP nonce of an API's response; return whether the nonce is new (RFC 9449 §8.2)."""
        return self._credentials.store_nonce(request, response)

    async def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        """Log in again with the scope and authentication that an API requires.

        If an API refuses several threads or processes at once, one of them logs in, so that only one browser page
        opens. The other threads and processes wait for that login and use it.

        Args:
            wanted: The requirements of the API.
            refused: The token that the API refused.

        Returns:
            Whether a step-up is configured. If it is not, nothing is done.

        Raises:
            KeyfobError: The login failed.
        """
        if self._step_up is None:
            return False
        async with self._step_up_lock():
            stored = await self.load()
            if stored is None or stored.access_token == refused or wanted.scope - stored.scope:
                self._step_up(wanted)
        return True

    async def log_out(self) -> logout.LoggedOut:
        """Delete the stored login, then revoke its tokens. Even if this call is interrupted, the login is deleted.

        Raises:
            LoginRequired: There is no stored login.
            VaultUnavailable: The login could not be deleted; its tokens are revoked nevertheless.
            KeyfobError: The client's credential is not available.
            BaseException: The call was interrupted or cancelled, for example by KeyboardInterrupt. The login was
                deleted; its tokens may still be valid.
        """
        try:
            removed = await logout.remove_login(self._vault, self.profile.name, partial(self.stored, is_ending=True))
        except KeyfobError:
            raise
        except BaseException:  # for example, interrupted while waiting for the lock
            await self._vault.delete(self.profile.name)
            raise
        finally:
            self._memory.unsaved = None
        return await logout.end(self._world, removed, self._credentials.client)

    async def _prepare(self) -> None:
        with naming_login(self.profile):
            note = await self._vault.prepare()  # before the user logs in for nothing
        if note:
            self._world.notify(notices.VaultNote(note))

    def _has_user(self) -> bool:
        """Return whether to try a user's login.

        That is so if the profile names a flow. With the flow "auto", it is so only if a user sees keyfob's notices.
        """
        return self.profile.flow != "auto" or self._world.surroundings()[1]

    async def _under_login_lock(
        self,
        holder: LockHolder,
        log_in: Callable[[], Awaitable[StoredLogin]],
        may_replace_account: MayReplaceAccount,
        accepts: AcceptsLogin,
        replaced: list[StoredLogin],
        *,
        ignores_assurance: bool = False,
    ) -> StoredLogin:
        """Return the login of another process that logged in during the wait for the login lock, or else log in.

        Log in if no other process had the lock, or if its login does not meet this request. Hold the lock meanwhile,
        and store the new login.
        """
        before = await self._load_any()

        def accepts_here(stored: StoredLogin) -> bool:
            is_same = before is None or not is_other_account(before, stored)
            return self._is_ours(stored) and is_same and accepts(stored)

        found = await login_lock.await_login_lock(
            self._world, self._vault, self.profile.name, holder, accepts_here, ignores_assurance=ignores_assurance
        )
        self._memory.unsaved = None if found else self._memory.unsaved
        stored = found or await self._store_login(await log_in(), may_replace_account, replaced)
        self._world.record_login(self.profile.name, replace(holder, kept=stored.generation))  # for processes that wait
        return stored

    async def _store_login(
        self, stored: StoredLogin, may_replace_account: MayReplaceAccount, replaced: list[StoredLogin]
    ) -> StoredLogin:
        """Store a new login, and append the login that it replaces to `replaced`.

        Raises:
            Refused: The stored login is another user's, and the caller did not allow its replacement. The new login is
                revoked.
            Misuse: The stored login is another client's, and the caller did not allow its replacement. The new login is
                revoked.
        """
        before = await self._load_any()
        if before is not None and is_other_client(before, stored) and not may_replace_account(before, stored):
            await self._end(stored)  # the unwanted login must not stay valid
            refuse_other(self.profile)
        if before is not None and is_other_account(before, stored) and not may_replace_account(before, stored):
            await self._end(stored)
            raise Refused("another account logged in than before; the old login is kept",
                          code="account-mismatch", hint=self._mismatch_hint())  # fmt: skip
        async with AsyncExitStack() as held:
            await self._take_lock(held)
            # The entry may have been refreshed while the user logged in.
            last = await self._load_any()
            stored = replace(stored, generation=(last.generation if last else 0) + 1)
            try:
                await self._vault.save(self.profile.name, stored)
            except VaultUnavailable:
                await self._end(stored)
                raise
        self._memory.unsaved = None
        if last is not None and is_left_behind(last, stored, self.profile):
            replaced.append(last)
        return stored

    async def _end_all(self, replaced: list[StoredLogin]) -> None:
        for login in replaced:
            await self._end(login)

    def _mismatch_hint(self) -> str:
        return self.profile.login_hint(f"{_MISMATCH}, or allow the other account", _MISMATCH, "--switch-account")

    @asynccontextmanager
    async def _ending(self) -> AsyncGenerator[list[StoredLogin]]:
        """Run the caller's block. At its end, release the login lock, and send the waiting browser its final page.

        Yield an empty list, to which the block adds the logins that the new login replaces. The caller revokes these
        logins after the block, so that neither the browser nor the next process waits for the revocation.
        """
        succeeded = False
        try:
            with naming_login(self.profile):
                yield []
            succeeded = True
        finally:
            self._world.release_login_lock()
            await self._world.stop_listening(succeeded=succeeded)


def login_name_of(before: StoredLogin | None, profile: Profile) -> str:
    """Return the user name to offer for a password login: that of the last login, if it is an e-mail address.

    Return "" if there was no login, if it was at another issuer, or if its user name is no e-mail address.
    """
    person = before.person if before is not None and before.issuer == profile.issuer else None
    return person if person is not None and "@" in person else ""


def is_left_behind(before: StoredLogin, after: StoredLogin, profile: Profile) -> bool:
    """Return whether to revoke the login `before`, which `after` has replaced (decision 0032).

    Without a revocation, the replaced login stays valid at the server. It is not revoked in these cases:

    - It is another client's or another issuer's: the client's credential is for one issuer only.
    - It is a service account's: other processes may still use its token.
    - Its revocation would end the new login too. At some issuers, every revocation ends all logins of the user with
      this client. At other issuers, that happens only if both logins belong to one session or have the same refresh
      token.
    """
    is_same_session = before.session_id is not None and before.session_id == after.session_id
    is_same_token = before.refresh_token is not None and before.refresh_token == after.refresh_token
    ends_all = habits_of(after.issuer).revocation_ends_all and not is_other_account(before, after)
    is_in_use = profile.is_machine or is_same_session or is_same_token or ends_all
    return not (is_in_use or is_other_client(before, after))


def is_other_client(before: StoredLogin, after: StoredLogin) -> bool:
    """Return whether the logins are of different clients, or at different issuers."""
    return (before.issuer, before.client_id) != (after.issuer, after.client_id)


def is_other_account(before: StoredLogin, after: StoredLogin) -> bool:
    """Return whether the logins are of different users, by the issuer's `sub`.

    Return False if either has no `sub`. Names and e-mails identify no user (OpenID Connect Core §5.7).
    """
    has_subjects = before.subject is not None and after.subject is not None
    return has_subjects and before.issuer == after.issuer and before.subject != after.subject

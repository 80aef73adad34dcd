"""Obtain a valid access token for a stored login: use the stored token, refresh it, or log a service account in.

If many processes need a refresh, one of them refreshes under the login's lock. The other processes then find the new
token in the vault.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.credential import Certificate, PlatformToken
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.freshness import LogIn, Use, is_usable, judge
from keyfob.client.session.storage import Storage, need_login
from keyfob.errors import LoginRequired, Malformed, Misuse, Refused, Unreachable, VaultUnavailable
from keyfob.lazy import LazyModule
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.flows import client_credentials, interactive
    from keyfob.client.model import notices
    from keyfob.client.ports import Slot
    from keyfob.client.session import refresh, server_time
else:  # a stored token needs neither a flow nor a refresh: 60 ms
    client_credentials = LazyModule("keyfob.client.flows.client_credentials")
    interactive = LazyModule("keyfob.client.flows.interactive")
    notices = LazyModule("keyfob.client.model.notices")
    refresh = LazyModule("keyfob.client.session.refresh")
    server_time = LazyModule("keyfob.client.session.server_time")

_DELAYS: Final = (timedelta(), timedelta(milliseconds=100), timedelta(milliseconds=400))


class Renewal(Storage):
    """A stored login, and the methods that renew its access token."""

    async def fresh(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> StoredLogin:
        """Return the login with a valid access token; never opens a browser.

        Args:
            min_ttl: How long the token must remain valid; None for the default.
            renew: Whether to refresh even an unexpired token, because an API has refused it.

        Raises:
            LoginRequired: An interactive login is required.
            Unreachable: The token has expired and the server does not answer.
            Refused: The server refuses the refresh.
            VaultUnavailable: The vault cannot be used.
        """
        before = await self.load()
        renew = renew or self._is_outdated(before)
        decision = judge(before, self._world.now().wall, min_ttl)
        if isinstance(decision, Use) and not renew and before is not None:
            return before
        if not self.profile.is_machine and (isinstance(decision, LogIn) or before is None):
            need_login(self.profile)
        async with AsyncExitStack() as held:
            try:
                await self._take_lock(held, may_be_readonly=True)
            except VaultUnavailable as problem:
                return self._at_hand(before, problem, min_ttl, renew=renew)
            return await self._renew(held, before, min_ttl, renew=renew)

    async def _renew(
        self, held: AsyncExitStack, before: StoredLogin | None, min_ttl: timedelta | None, *, renew: bool
    ) -> StoredLogin:
        """Renew the token under the lock, or return the login that another process stored during the wait for the lock.

        Args:
            held: The stack that releases the lock. If a refresh starts, the refresh releases the lock at its end. It
                may run longer than this task, if the task is cancelled.
            before: The login that this process last read.
            min_ttl: As for `fresh`.
            renew: As for `fresh`.

        Raises:
            LoginRequired: An interactive login is required.
            Refused: The server refuses.
            Unreachable: The server does not answer, and the stored token does not suffice.
            Malformed: The response is unusable, and the stored token does not suffice.
            VaultUnavailable: New tokens cannot be stored, so none were requested. The stored token does not suffice.
        """
        stored = await self.load()
        moment = self._world.now().wall
        if stored is None:
            return await self._obtain_next(None)
        is_new = before is None or stored.access_token != before.access_token
        if isinstance(judge(stored, moment, min_ttl), Use) and (is_new or not renew):
            return stored
        try:
            if self.profile.is_machine:
                return await self._obtain_next(stored)
            return await self._refresh(held, stored, moment, min_ttl)
        except (Unreachable, Malformed):
            if not renew and is_usable(stored, moment, min_ttl):
                return stored
            raise
        except VaultUnavailable as problem:
            return self._at_hand(stored, problem, min_ttl, renew=renew)

    def _at_hand(
        self, stored: StoredLogin | None, problem: VaultUnavailable, min_ttl: timedelta | None, *, renew: bool
    ) -> StoredLogin:
        """Return the stored login if its token can still be used, and `renew` is False.

        Args:
            problem: The error that prevented the token's renewal.
            min_ttl: As for `fresh`.
            renew: As for `fresh`.

        Raises:
            VaultUnavailable: The stored token cannot be used; the error is `problem`.
        """
        if renew or stored is None or not is_usable(stored, self._world.now().wall, min_ttl):
            raise problem
        self._world.notify(notices.VaultNote(f"the login was not refreshed: {problem.message}"))
        return stored

    async def _obtain_next(self, stored: StoredLogin | None) -> StoredLogin:
        """Request and store a service account's next token. The caller must hold the lock.

        The lock prevents several processes from each requesting a token, since Auth0 charges for every token.

        Raises:
            LoginRequired: The login is not a service account's.
            Misuse: The profile holds another client's login.
        """
        if not self.profile.is_machine:
            need_login(self.profile)
        await self._refuse_other()
        fresh = await self._obtain(before=stored)
        return await self._save_newest(stored, replace(fresh, generation=await self._generation() + 1))

    async def _refresh(
        self, held: AsyncExitStack, stored: StoredLogin, moment: datetime, min_ttl: timedelta | None
    ) -> StoredLogin:
        """Refresh as a transaction: reserve space, send the request, store the response. See decision 0031.

        Raises:
            LoginRequired: There is no refresh token that the server accepts.
            VaultUnavailable: The vault has no space for the response, so no request was sent.
        """
        if stored.refresh_token is None:
            need_login(self.profile)
        client, certificate = self._credentials.client(stored), self._credentials.certificate()
        try:
            slot = await held.enter_async_context(self._vault.reserve(self.profile.name))
        except VaultUnavailable as problem:
            problem.message = f"the new tokens could not be stored: {problem.message}"
            raise

        async def send(login: StoredLogin, refresh_token: Secret) -> refresh.Refreshed:
            world = server_time.ServerTime(self._world, login.skew)
            try:
                done = await refresh.refresh(world, login, refresh_token, client)
            except LoginRequired as problem:
                problem.hint = problem.hint or self.profile.login_hint()
                raise
            except Refused as problem:
                if problem.hint == f"{refresh.IF_IT_STAYS}.":
                    problem.hint = self.profile.login_hint(refresh.IF_IT_STAYS, refresh.IF_IT_STAYS)
                raise
            if done.problem is not None:
                return done
            return refresh.Refreshed(replace(_certified(done.stored, certificate), skew=world.skew))

        return await self._world.uninterrupted(
            self._exchange(held.pop_all(), slot, send, stored, stored.refresh_token, moment, min_ttl)
        )

    async def _exchange(
        self,
        held: AsyncExitStack,
        slot: Slot,
        send: Callable[[StoredLogin, Secret], Awaitable[refresh.Refreshed]],
        stored: StoredLogin,
        refresh_token: Secret,
        moment: datetime,
        min_ttl: timedelta | None,
    ) -> StoredLogin:
        """Send the refresh token and store the response. Then release the reserved space (slot) and the lock.

        If the server refuses the refresh token, another process may have used it. So the vault is then read again. If
        it has a newer login, that login is returned or, if its token does not suffice, refreshed.

        Raises:
            LoginRequired: The server accepts neither this refresh token nor a newer one from the vault.
            KeyfobError: The response fails a check. Its refresh token is stored nevertheless.
        """
        async with held:
            try:
                done = await send(stored, refresh_token)
            except LoginRequired as problem:
                newer = await self._load_newer(stored)
                if newer is None and problem.oauth_code not in refresh.ENDED:
                    raise
                if newer is None:
                    ended = replace(stored, refresh_token=None, generation=stored.generation + 1)
                    await self._save_newest(stored, ended, slot)
                    raise
                if isinstance(judge(newer, moment, min_ttl), Use):
                    return newer
                if newer.refresh_token is None:
                    raise
                stored, done = newer, await send(newer, newer.refresh_token)
            fresh = done.stored
            if fresh != stored:
                fresh = await self._save_newest(stored, fresh, slot)
            if done.problem is not None:
                raise done.problem
            return fresh

    async def _load_newer(self, stored: StoredLogin) -> StoredLogin | None:
        """Return a newer stored login; None if there is none.

        The vault is read several times, since a network file system may show a new login late.
        """
        for delay in _DELAYS:
            if delay:
                await self._world.wait(delay)
            newer = await self.load()
            if newer is not None and newer.generation != stored.generation:
                return newer
        return None

    async def _obtain(
        self,
        *,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        before: StoredLogin | None = None,
        last_name: str = "",
    ) -> StoredLogin:
        """Run the profile's flow, with times by the server's clock (`ServerTime`).

        Raises:
            Misuse: The client's secret or key is not at the location in the profile.
        """
        world = server_time.ServerTime(self._world, before.skew if before else timedelta())
        credential = self._credentials.credential()
        if self.profile.is_machine:
            is_platform = isinstance(credential, PlatformToken)
            identity = None if is_platform else self._credentials.read(self.profile.identity)
            platform = identity if isinstance(identity, PlatformToken) else None
            key = before.proof_key if before else None
            stored = await client_credentials.log_in(world, self.profile, credential, platform, key)
        else:
            stored = await interactive.log_in(
                world, self.profile, credential, opens_page=opens_page, assurance=assurance, last_name=last_name
            )
        return replace(self._certified(stored), skew=world.skew)

    def _certified(self, stored: StoredLogin) -> StoredLogin:
        """Return the login with its attribute `certificate`.

        The attribute is the thumbprint of the profile's certificate if the token is bound to it; otherwise, None.
        """
        return _certified(stored, self._credentials.certificate())

    def _is_outdated(self, stored: StoredLogin | None) -> bool:
        """Return whether a new token is due, because the profile's certificate was replaced after the token was issued.

        Return False if the token is not bound to a certificate, or if the certificate cannot be read. Some certificates
        are valid for hours only, so they are replaced often.
        """
        if stored is None or stored.certificate is None:
            return False
        try:
            certificate = self._credentials.certificate()
        except Misuse:
            return False  # its files may be replaced at this moment; a connection reports what is wrong
        return certificate is not None and certificate.thumbprint != stored.certificate


def _certified(stored: StoredLogin, certificate: Certificate | None) -> StoredLogin:
    return stored.with_certificate(None if certificate is None else certificate.thumbprint)

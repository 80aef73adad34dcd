"""A valid access token of a stored login: the stored one, a refreshed one, or for a service account a new one.

Of many processes that want a refresh, one makes it under the login's lock; the others read its result.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.credential import PlatformToken
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.freshness import IF_IT_STAYS, LogIn, Use, is_usable, judge, refresh
from keyfob.client.session.server_time import ServerTime
from keyfob.client.session.storage import Storage, need_login
from keyfob.errors import LoginRequired, Malformed, Misuse, Refused, Unreachable
from keyfob.lazy import LazyModule
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.flows import client_credentials, interactive
else:  # a stored token needs no flow: 40 ms
    client_credentials = LazyModule("keyfob.client.flows.client_credentials")
    interactive = LazyModule("keyfob.client.flows.interactive")

_DELAYS: Final = (timedelta(), timedelta(milliseconds=100), timedelta(milliseconds=400))


class Renewal(Storage):
    """A login whose access token is kept valid."""

    async def fresh(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> StoredLogin:
        """Return the login with a valid access token; never opens a browser.

        Args:
            min_ttl: How long the token must remain valid; None for the default.
            renew: Refresh even a token that looks valid, because an API has refused it.

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
        async with self._locked(may_be_readonly=True):
            return await self._renew(before, min_ttl, renew=renew)

    async def _renew(self, before: StoredLogin | None, min_ttl: timedelta | None, *, renew: bool) -> StoredLogin:
        """Renew the token under the lock, or return what another process stored while this one waited for it.

        Raises:
            LoginRequired: An interactive login is required.
            Refused: The server refuses.
            Unreachable: The server does not answer, and the stored token does not suffice.
            Malformed: Likewise, for an unusable response.
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
            return await self._refresh(stored, moment, min_ttl)
        except (Unreachable, Malformed):
            if not renew and is_usable(stored, moment, min_ttl):
                return stored
            raise

    async def _obtain_next(self, stored: StoredLogin | None) -> StoredLogin:
        """Request and store a service account's next token. Of many processes one does, since Auth0 bills each.

        Raises:
            LoginRequired: It is not a service account.
            Misuse: The profile holds another client's login.
        """
        if not self.profile.is_machine:
            need_login(self.profile)
        await self._refuse_other()
        fresh = await self._obtain(before=stored)
        return await self._save_newest(stored, replace(fresh, generation=await self._generation() + 1))

    async def _refresh(self, stored: StoredLogin, moment: datetime, min_ttl: timedelta | None) -> StoredLogin:
        """Refresh. If the refresh token is refused, another process may have used it: read the vault again.

        Raises:
            LoginRequired: There is no refresh token, or none that the server accepts.
        """
        if stored.refresh_token is None:
            need_login(self.profile)
        try:
            fresh = await self._exchange(stored, stored.refresh_token)
        except LoginRequired:
            newer = await self._load_newer(stored)
            if newer is None:
                await self._save_newest(stored, replace(stored, refresh_token=None, generation=stored.generation + 1))
                raise
            if isinstance(judge(newer, moment, min_ttl), Use):
                return newer
            if newer.refresh_token is None:
                raise
            stored, fresh = newer, await self._exchange(newer, newer.refresh_token)
        return await self._save_newest(stored, fresh)

    async def _load_newer(self, stored: StoredLogin) -> StoredLogin | None:
        """Return a newer stored login, or None; network file systems may show it with a delay."""
        for delay in _DELAYS:
            if delay:
                await self._world.wait(delay)
            newer = await self.load()
            if newer is not None and newer.generation != stored.generation:
                return newer
        return None

    async def _exchange(self, stored: StoredLogin, refresh_token: Secret) -> StoredLogin:
        world = ServerTime(self._world, stored.skew)
        client = self._credentials.client(stored)
        try:
            fresh = await refresh(world, stored, refresh_token, client)
        except LoginRequired as problem:
            problem.hint = problem.hint or self.profile.login_hint()
            raise
        except Refused as problem:
            if problem.hint == f"{IF_IT_STAYS}.":
                problem.hint = self.profile.login_hint(IF_IT_STAYS, IF_IT_STAYS)
            raise
        return replace(self._certified(fresh), skew=world.skew)

    async def _obtain(
        self,
        *,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        before: StoredLogin | None = None,
        last_name: str = "",
    ) -> StoredLogin:
        """Run the profile's flow, on the server's clock.

        Raises:
            Misuse: The client's secret or key is not where the profile says.
        """
        world = ServerTime(self._world, before.skew if before else timedelta())
        credential = self._credentials.credential()
        if self.profile.is_machine:
            identity = None if isinstance(credential, PlatformToken) else self._credentials.read(self.profile.identity)
            platform = identity if isinstance(identity, PlatformToken) else None
            key = before.proof_key if before else None
            stored = await client_credentials.log_in(world, self.profile, credential, platform, key)
        else:
            stored = await interactive.log_in(
                world, self.profile, credential, opens_page=opens_page, assurance=assurance, last_name=last_name
            )
        return replace(self._certified(stored), skew=world.skew)

    def _certified(self, stored: StoredLogin) -> StoredLogin:
        """Return the login with the certificate that its token is bound to."""
        certificate = self._credentials.certificate()
        return stored.with_certificate(None if certificate is None else certificate.thumbprint)

    def _is_outdated(self, stored: StoredLogin | None) -> bool:
        """Return whether the token is bound to a certificate that was replaced since: some live for hours only."""
        if stored is None or stored.certificate is None:
            return False
        try:
            certificate = self._credentials.certificate()
        except Misuse:
            return False  # its files may be replaced at this moment; a connection reports what is wrong
        return certificate is not None and certificate.thumbprint != stored.certificate

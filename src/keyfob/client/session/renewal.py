"""A valid access token of a stored login: the stored one, a refreshed one, or for a service account a new one.

Of many processes that want a refresh, one makes it under the login's lock; the others read its result.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.freshness import LogIn, Use, is_usable, judge, refresh
from keyfob.client.session.server_time import ServerTime
from keyfob.client.session.storage import Storage, need_login
from keyfob.errors import LoginRequired, Malformed, Misuse, Unreachable
from keyfob.protocol.secret import Secret

_LOOKS: Final = (timedelta(), timedelta(milliseconds=100), timedelta(milliseconds=400))


class Renewal(Storage):
    """A login whose access token is kept valid."""

    async def fresh(self, min_ttl: timedelta | None = None, *, renew: bool = False) -> StoredLogin:
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
        before = await self.load()
        renew = renew or self._is_outdated(before)
        decision = judge(before, self._world.now().wall, min_ttl)
        if isinstance(decision, Use) and not renew and before is not None:
            return before
        if self.profile.is_machine:
            async with self._locked(may_be_readonly=True):
                return await self._ask_again(before, min_ttl, renew=renew)
        if isinstance(decision, LogIn) or before is None:
            need_login(self.profile)
        async with self._locked(may_be_readonly=True):
            return await self._renew(before, min_ttl, renew=renew)

    async def _renew(self, before: StoredLogin, min_ttl: timedelta | None, *, renew: bool) -> StoredLogin:
        """Refresh under the lock, or adopt what somebody else got while we waited for it.

        Raises:
            LoginRequired: Only the person can help.
            Unreachable: The server does not answer, and the token at hand will not do.
            Malformed: The same for an answer that makes no sense.
        """
        stored = await self.load()
        moment = self._world.now().wall
        if stored is None:
            need_login(self.profile)
        is_new = stored.access_token != before.access_token
        if isinstance(judge(stored, moment, min_ttl), Use) and (is_new or not renew):
            return stored
        if stored.refresh_token is None:
            need_login(self.profile)
        try:
            return await self._refresh(stored, stored.refresh_token, moment, min_ttl)
        except (Unreachable, Malformed):
            if not renew and is_usable(stored, moment, min_ttl):
                return stored
            raise

    async def _refresh(
        self, stored: StoredLogin, refresh_token: Secret, moment: datetime, min_ttl: timedelta | None
    ) -> StoredLogin:
        """Ask the server; where it does not know the refresh token, another may have used it and kept the next one.

        Raises:
            LoginRequired: Nobody has.
        """
        try:
            fresh = await self._exchange(stored, refresh_token)
        except LoginRequired:
            newer = await self._look_again(stored)
            if newer is None:
                await self._keep(stored, replace(stored, refresh_token=None, generation=stored.generation + 1))
                raise
            if isinstance(judge(newer, moment, min_ttl), Use):
                return newer
            if newer.refresh_token is None:
                raise
            stored, fresh = newer, await self._exchange(newer, newer.refresh_token)
        return await self._keep(stored, fresh)

    async def _look_again(self, stored: StoredLogin) -> StoredLogin | None:
        """What another process has kept meanwhile, if it has; file systems of a network show it a little later."""
        for pause in _LOOKS:
            if pause:
                await self._world.wait(pause)
            found = await self.load()
            if found is not None and found.generation != stored.generation:
                return found
        return None

    async def _ask_again(self, before: StoredLogin | None, min_ttl: timedelta | None, *, renew: bool) -> StoredLogin:
        """A machine's next token, under the lock: of many that want one, one asks, since Auth0 bills each.

        Raises:
            Refused: The server does not let the program in any more.
            Unreachable: The server does not answer, and the token at hand will not do.
            Malformed: The same for an answer that makes no sense.
        """
        stored = await self.load()
        moment = self._world.now().wall
        is_new = stored is not None and (before is None or stored.access_token != before.access_token)
        if stored is not None and isinstance(judge(stored, moment, min_ttl), Use) and (is_new or not renew):
            return stored
        try:
            fresh = await self._obtain(before=stored)
        except (Unreachable, Malformed):
            if stored is not None and not renew and is_usable(stored, moment, min_ttl):
                return stored
            raise
        return await self._keep(stored, replace(fresh, generation=await self._generation() + 1))

    async def _exchange(self, stored: StoredLogin, refresh_token: Secret) -> StoredLogin:
        world = ServerTime(self._world, stored.skew)
        fresh = await refresh(world, stored, refresh_token, self._credentials.client(stored))
        return replace(self._certified(fresh), skew=world.skew)

    async def _obtain(
        self,
        *,
        opens_page: bool = False,
        assurance: Assurance = ANY_LOGIN,
        before: StoredLogin | None = None,
        last_name: str = "",
    ) -> StoredLogin:
        """Run the flow that the profile asks for, on the server's clock.

        Raises:
            Misuse: The client's secret or key is not where the profile points.
        """
        # Signatures cost 100 ms to import; a stored token needs none.
        world = ServerTime(self._world, before.skew if before else timedelta())
        credential = self._credentials.credential()
        if self.profile.is_machine:
            from keyfob.client.flows import client_credentials  # noqa: PLC0415
            from keyfob.client.model.credential import PlatformToken  # noqa: PLC0415

            identity = None if isinstance(credential, PlatformToken) else self._credentials.read(self.profile.identity)
            platform = identity if isinstance(identity, PlatformToken) else None
            key = before.proof_key if before else None
            stored = await client_credentials.log_in(world, self.profile, credential, platform, key)
        else:
            from keyfob.client.flows import interactive  # noqa: PLC0415

            stored = await interactive.log_in(
                world, self.profile, credential, opens_page=opens_page, assurance=assurance, last_name=last_name
            )
        return replace(self._certified(stored), skew=world.skew)

    def _certified(self, stored: StoredLogin) -> StoredLogin:
        """Return the login with the certificate that its token is bound to."""
        shown = self._credentials.certificate()
        return stored.with_certificate(None if shown is None else shown.thumbprint)

    def _is_outdated(self, stored: StoredLogin | None) -> bool:
        """Whether a token is bound to a certificate that was replaced meanwhile: many live for hours only."""
        if stored is None or stored.certificate is None:
            return False
        try:
            shown = self._credentials.certificate()
        except Misuse:
            return False  # it may just be in the midst of that; whoever connects says what is wrong
        return shown is not None and shown.thumbprint != stored.certificate

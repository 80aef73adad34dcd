"""Load and store one login in its vault. Tokens that cannot be stored stay in this process's memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Self

from keyfob.client.auth.credentials import ProfileCredentials, ReadCredential
from keyfob.client.model.profile import KEYFOB_LOGIN, Profile, command
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import Slot, Vault, World
from keyfob.errors import KeyfobError, LoginRequired, Misuse, VaultUnavailable
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    from keyfob.client.flows import logout
    from keyfob.client.model import notices
    from keyfob.client.model.step_up import StepUp
else:  # a stored token needs neither: 20 ms
    logout = LazyModule("keyfob.client.flows.logout")
    notices = LazyModule("keyfob.client.model.notices")


@dataclass(slots=True)
class _Memory:
    """A login's state in this process, which all copies of a `Login` share.

    Attributes:
        unsaved: The newest login, if it could not be written to the vault; else None.
    """

    unsaved: StoredLogin | None = None


class Storage:
    """One profile's entry in one vault. Threads, tasks and processes may share the vault."""

    def __init__(
        self,
        profile: Profile,
        vault: Vault,
        world: World,
        credential: ReadCredential | None = None,
        step_up: Callable[[StepUp], object] | None = None,
    ) -> None:
        """Store the arguments; nothing is read yet.

        Args:
            credential: Reads the client's secret, key or certificate.
            step_up: Logs in again if an API requires a step-up; None if that is not configured.
        """
        self.profile = profile
        self._vault = vault
        self._world = world
        self._credentials = ProfileCredentials(profile, credential)
        self._memory = _Memory()
        self._step_up = step_up

    def over(self, world: World, vault: Vault) -> Self:
        """Return the same login with another World and Vault. Both objects share unsaved tokens, keys and nonces."""
        return self._with(_world=world, _vault=vault)

    def _with(self, **changed: object) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **changed)
        return other

    async def load(self, *, is_ending: bool = False) -> StoredLogin | None:
        """Return this profile's newest login; None if there is none.

        With `is_ending`, return even a login from a plain file that the storage policy forbids.
        """
        with naming_login(self.profile):
            stored = await self._vault.load(self.profile.name, is_ending=is_ending)
        unsaved = self._memory.unsaved
        if unsaved is not None and stored is not None and stored.generation < unsaved.generation:
            stored = unsaved
        return stored if stored and self._is_ours(stored) else None

    def _is_ours(self, stored: StoredLogin) -> bool:
        wanted = (self.profile.issuer, self.profile.client_id, self.profile.audience)
        return (stored.issuer, stored.client_id, stored.audience) == wanted

    async def _load_any(self) -> StoredLogin | None:
        """Return the newest login, even one for another issuer, client or API.

        Return None if there is no login, or if it cannot be read.
        """
        unsaved = self._memory.unsaved
        try:
            stored = await self._vault.load(self.profile.name)
        except VaultUnavailable:
            return unsaved
        return unsaved if unsaved and (stored is None or stored.generation < unsaved.generation) else stored

    async def _refuse_other(self) -> None:
        """Raise `Misuse` if the vault entry is another client's or issuer's, so that it is not overwritten."""
        stored = await self._load_any()
        if stored is None or (stored.issuer, stored.client_id) == (self.profile.issuer, self.profile.client_id):
            return
        refuse_other(self.profile)

    async def _generation(self) -> int:
        stored = await self._load_any()
        return stored.generation if stored else 0

    async def _save_newest(
        self, before: StoredLogin | None, fresh: StoredLogin, slot: Slot | None = None
    ) -> StoredLogin:
        """Store a new login, unless another process has stored a newer login. Return the newest login.

        Args:
            before: The login that `fresh` replaces; None if there is none.
            fresh: The new login.
            slot: The reserved space for the new login; None to reserve none.

        Raises:
            LoginRequired: The login was deleted meanwhile; the new tokens are revoked.
        """
        try:
            stored = await self.load()
        except VaultUnavailable:
            stored = before  # replace an entry that cannot be read
        if before is not None and stored is None:
            await self._end(fresh)
            need_login(self.profile)
        if stored is not None and before is not None and stored.generation != before.generation:
            return stored  # on a file system without locks, a late result does not overwrite a newer one
        try:
            await (self._vault.save(self.profile.name, fresh) if slot is None else slot.save(fresh))
        except VaultUnavailable as problem:
            # The token is valid. The next process cannot refresh, if each refresh token is for one use.
            self._memory.unsaved = fresh
            self._world.notify(notices.VaultNote(f"the new tokens cannot be stored: {problem.message}"))
        return fresh

    async def _end(self, dropped: StoredLogin) -> None:
        """Revoke the tokens of a login that is no longer used (RFC 7009). An error is ignored."""
        with suppress(KeyfobError):
            await logout.log_out(self._world, dropped, self._credentials.client(dropped))

    async def _take_lock(self, held: AsyncExitStack, *, may_be_readonly: bool = False) -> None:
        """Take the login's lock.

        With `may_be_readonly`, a read-only vault is no error. It needs no lock, since no process can store anything in
        it.
        """
        try:
            await held.enter_async_context(self._vault.lock(self.profile.name, self._tell_wait))
        except VaultUnavailable as problem:
            if not (may_be_readonly and problem.code == "vault-readonly"):
                raise

    def _tell_wait(self, pid: int | None) -> None:
        number = "" if pid is None else f" ({pid})"
        self._world.notify(notices.VaultNote(f"waiting for another process{number} that uses this login"))

    @asynccontextmanager
    async def _step_up_lock(self) -> AsyncGenerator[None]:
        """Hold the step-up lock. Wait for it without a time limit, since its holder may be a user who is logging in."""
        async with AsyncExitStack() as stack:
            while True:
                try:
                    await stack.enter_async_context(self._vault.lock(f"{self.profile.name}+login"))
                    break
                except VaultUnavailable as problem:
                    if problem.code != "vault-busy":
                        raise
            yield


def need_login(profile: Profile) -> NoReturn:
    """Raise `LoginRequired`, whose hint is the profile's login command."""
    raise LoginRequired("not logged in", hint=profile.login_hint())


def refuse_other(profile: Profile) -> NoReturn:
    """Raise `Misuse`, so that the stored login of another client or issuer is not overwritten."""
    hint = "Let the program use another profile: App(profile=...), or none."
    if profile.login_command == KEYFOB_LOGIN:
        hint = f"Use another profile for this login: {command('login', 'NAME')}"
    message = f"the profile {profile.name} contains a login of another client or issuer, which is not overwritten"
    raise Misuse(message, code="profile-taken", hint=hint)


@contextmanager
def naming_login(profile: Profile) -> Generator[None]:
    """Add the profile's login command, as a hint, to errors that the block raises.

    The vault and the terminal raise errors without that command, because they have no profile.
    """
    try:
        yield
    except LoginRequired as problem:
        if problem.code == "no-terminal" and not problem.hint:
            problem.hint = profile.login_hint("Run in a terminal", "Log in at a terminal")
        raise
    except VaultUnavailable as problem:
        if problem.code in {"key-empty", "vault-damaged"}:
            problem.hint, problem.flags = profile.login_hint(), ""
        raise

"""A `Vault` for programs that use `keyfob agent`. It requests access tokens from the agent and cannot store logins."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from keyfob.client.io.agent.agent_socket import ask
from keyfob.client.model.agent_messages import AgentAnswer, AgentRequest
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import Slot
from keyfob.client.session.freshness import Use, judge
from keyfob.errors import VaultUnavailable


class AgentVault:
    """A `Vault` with one login, which an agent stores and refreshes. This process only caches the access token."""

    def __init__(self, path: Path, request: AgentRequest) -> None:
        """Store the socket's path and the request; nothing is sent yet."""
        self._path = path
        self._request = request
        self._given: StoredLogin | None = None

    def ask(self) -> AgentAnswer:
        """Ask the agent for a token, and cache the token. Raises the errors of `agent_socket.ask`."""
        answer = ask(self._path, self._request)
        self._given = answer.login
        return answer

    async def prepare(self) -> str:
        _refuse()

    async def load(self, entry: str, *, is_ending: bool = False) -> StoredLogin | None:
        del entry
        if is_ending:
            _refuse()
        given = self._given
        if given is None or not isinstance(judge(given, datetime.now(UTC)), Use):
            return self.ask().login
        return given

    async def save(self, entry: str, stored: StoredLogin) -> None:
        del entry, stored
        _refuse()

    def reserve(self, entry: str) -> AbstractAsyncContextManager[Slot]:
        del entry
        _refuse()

    async def remove_quick(self, entry: str) -> None:
        """Do nothing: this vault has no quick file (token cache on disk)."""

    async def delete(self, entry: str) -> None:
        del entry
        _refuse()

    def lock(
        self, entry: str, on_wait: Callable[[int | None], object] | None = None
    ) -> AbstractAsyncContextManager[object]:
        """Drop the cached token, and raise `VaultUnavailable`, because only the agent may refresh.

        Callers take the lock only to refresh a token that an API has refused. So the cached token is of no use any
        more.
        """
        del entry, on_wait
        self._given = None
        _refuse()


def vault_of(path: Path, profile: Profile) -> AgentVault:
    """Return a vault that requests the access tokens of a profile's login from the agent at a socket's path."""
    request = AgentRequest(
        issuer=profile.issuer, client_id=profile.client_id, audience=profile.audience, scope=profile.scope
    )
    return AgentVault(path, request)


def _refuse() -> NoReturn:
    raise VaultUnavailable(
        "logins are stored where the agent of KEYFOB_AGENT runs",
        code="vault-readonly",
        hint="Log in and out there, or unset KEYFOB_AGENT.",
    )

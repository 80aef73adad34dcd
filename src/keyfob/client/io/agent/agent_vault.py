"""A vault for programs that use `keyfob agent`: access tokens come from there, and nothing can be stored."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NoReturn

from keyfob.client.io.agent.agent_socket import ask
from keyfob.client.model.agent_messages import AgentRequest
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import Slot
from keyfob.errors import VaultUnavailable


class AgentVault:
    """The logins of an agent. Each use of one asks the agent, which renews it where it is stored."""

    def __init__(self, path: Path, request: AgentRequest) -> None:
        """Name the socket and the login; nothing is asked yet."""
        self._path = path
        self._request = request

    async def prepare(self) -> str:
        _refuse()

    async def load(self, entry: str, *, is_ending: bool = False) -> StoredLogin | None:
        del entry
        if is_ending:
            _refuse()
        return ask(self._path, self._request).login

    async def save(self, entry: str, stored: StoredLogin) -> None:
        del entry, stored
        _refuse()

    def reserve(self, entry: str) -> AbstractAsyncContextManager[Slot]:
        del entry
        _refuse()

    async def remove_quick(self, entry: str) -> None:
        """Do nothing: there is no quick file."""

    async def delete(self, entry: str) -> None:
        del entry
        _refuse()

    def lock(
        self, entry: str, on_wait: Callable[[int | None], object] | None = None
    ) -> AbstractAsyncContextManager[object]:
        del entry, on_wait
        _refuse()


def vault_of(path: Path, profile: Profile) -> AgentVault:
    """Return the vault of one profile's login."""
    request = AgentRequest(
        issuer=profile.issuer, client_id=profile.client_id, audience=profile.audience, scope=profile.scope
    )
    return AgentVault(path, request)


def _refuse() -> NoReturn:
    raise VaultUnavailable(
        "logins are kept where keyfob agent runs, and KEYFOB_AGENT names that",
        code="vault-readonly",
        hint="Log in and out there, or unset KEYFOB_AGENT.",
    )

"""Reload the settings and keys of a running tenant.

This happens if another process has changed them, or if a scheduled change of the keys is due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import KeyfobError
from keyfob.server.io.change_signal import LOOK_EVERY
from keyfob.server.io.signing_keys import KeyFollower, read_keys
from keyfob.server.ports import Transaction
from keyfob.server.records import Document, KeySlot, StoredKey
from keyfob.server.settings.config import TenantConfig
from keyfob.server.site import Site

CHECK_EVERY: Final = timedelta(seconds=1)
_LOG: Final = logging.getLogger("keyfob.serve")
Read = Callable[[tuple[Document, ...]], TenantConfig]
State = Callable[[], object]
_Found = tuple[tuple[Document, ...], tuple[StoredKey, ...], tuple[KeySlot, ...]]


class Reloader:
    """Checks at a request whether settings or keys have changed, and reloads them.

    A request causes a check in these cases:

    - A change signal was sent since the last check. It looks for a signal at most every ten milliseconds.
    - The last check was at least a second ago.
    """

    def __init__(
        self,
        site: Site,
        keys: KeyFollower,
        read: Read | None = None,
        seen: tuple[Document, ...] = (),
        state: State = lambda: None,
    ) -> None:
        """Create a reloader for a running tenant.

        Args:
            site: The running tenant.
            keys: The follower of the tenant's keys.
            read: A function that converts the stored settings to a `TenantConfig`. If they are not valid, it raises
                KeyfobError. If `read` is None, only keys are reloaded.
            seen: The stored settings from which the site's present `TenantConfig` was made.
            state: A function that returns a different value after each change signal.
        """
        self._site = site
        self._keys = keys
        self._read = read
        self._seen = seen
        self._checked_at = site.now()
        self._looked_at = self._checked_at - LOOK_EVERY
        self._state = state
        self._found: _Found | None = None
        self._seen_state: object = None  # no state equals None, so the first request checks for changes since `seen`

    def is_due(self, now: datetime) -> bool:
        """Return whether a request at this time causes a check."""
        # `abs`, since the clock may have been set back.
        if abs(now - self._looked_at) < LOOK_EVERY:
            return False
        self._looked_at = now
        return self._state() != self._seen_state or abs(now - self._checked_at) >= CHECK_EVERY

    async def reload_if_due(self) -> None:
        now = self._site.now()
        if self.is_due(now):
            await self.reload(now)

    async def reload(self, now: datetime) -> None:
        """Reload changed settings. If the new settings are not valid, log the error and keep the old settings."""
        self._checked_at, self._seen_state = now, self._state()
        try:
            await self._reload()
        except KeyfobError as problem:
            _LOG.warning(
                "the new settings cannot be used, so the old ones stay in use: %s %s", problem.message, problem.hint
            )
        except Exception:  # noqa: BLE001  the request at hand must not fail
            _LOG.exception("the settings could not be read, so the old ones stay in use")

    async def _reload(self) -> None:
        site = self._site
        found = await site.store.read(_read_all)
        if found == self._found and not self._keys.is_due(site.now()):
            return
        documents, stored, slots = found
        config = site.config
        if self._read is not None and documents != self._seen:
            self._seen = documents  # even if the new documents are not valid, so that the error is logged only once
            config = self._read(documents)
        keys = await self._keys.follow(config, stored, slots)
        self._found = found
        if config is site.config and keys == site.tenant_keys:
            return
        before = site.config.password_users()
        is_new = config is not site.config
        site.reconfigure(config, keys)
        _LOG.info("the settings have changed" if is_new else "the keys have changed")
        if set(config.password_users()) - set(before):
            note_password_users(site)


async def _read_all(transaction: Transaction) -> _Found:
    return await transaction.documents(), *await read_keys(transaction)


def note_password_users(site: Site) -> None:
    """Write an audit event with the clients that may use the password grants. If there are none, do nothing.

    The event has the code `depnote`, which Auth0 uses for deprecation notices.
    """
    names = site.config.password_users()
    if names:
        site.record("depnote", description=f"These applications may use the password grants: {', '.join(names)}")

"""Reload the settings of a running tenant after another process has changed them in the store."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from keyfob.errors import KeyfobError
from keyfob.server.io.signing_keys import make_keys
from keyfob.server.records import Document
from keyfob.server.settings.config import TenantConfig
from keyfob.server.site import Site

CHECK_EVERY: Final = timedelta(seconds=1)
_LOG: Final = logging.getLogger("keyfob.serve")
Read = Callable[[tuple[Document, ...]], TenantConfig]
State = Callable[[], object]


class Reloader:
    """Check at requests whether the settings have changed: after a change signal, and else once a second."""

    def __init__(
        self, site: Site, master: bytes, read: Read, seen: tuple[Document, ...], state: State = lambda: None
    ) -> None:
        """Create a reloader for a running tenant.

        Args:
            site: The running tenant.
            master: Its master key.
            read: Return the settings of documents; raise KeyfobError.
            seen: The documents that the site's settings were read from.
            state: Return a value that differs after each change signal.
        """
        self._site = site
        self._master = master
        self._read = read
        self._seen = seen
        self._checked_at = site.now()
        self._state = state
        self._seen_state: object = None  # so that the first request checks for changes since `seen` was read

    async def reload_if_changed(self) -> None:
        """Reload changed settings. If they are not valid, log that and continue with the old ones."""
        now, state = self._site.now(), self._state()
        # abs: the clock may have been set back
        if state == self._seen_state and abs(now - self._checked_at) < CHECK_EVERY:
            return
        self._checked_at, self._seen_state = now, state
        try:
            await self._reload()
        except KeyfobError as problem:
            _LOG.warning("the new settings cannot be used, the old ones stay: %s %s", problem.message, problem.hint)
        except Exception:  # noqa: BLE001  the request at hand must not fail
            _LOG.exception("the settings could not be looked at, the old ones stay")

    async def _reload(self) -> None:
        site = self._site
        documents = await site.store.read(lambda transaction: transaction.documents())
        if documents == self._seen:
            return
        self._seen = documents  # even if they are not valid, so that this is logged only once
        config = self._read(documents)
        before = site.config.password_users()
        keys = await make_keys(site.store, self._master, site.surroundings, config)
        site.reconfigure(config, keys)
        _LOG.info("the settings have changed")
        if set(config.password_users()) - set(before):
            note_password_users(site)


def note_password_users(site: Site) -> None:
    """Log the clients that may use the password grants, if any, as Auth0's deprecation notice `depnote`."""
    names = site.config.password_users()
    if names:
        site.record("depnote", description=f"These applications may use the password grants: {', '.join(names)}")

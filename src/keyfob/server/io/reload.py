"""A running tenant follows its store: what another process registers there counts at the next request, or soon."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import KeyfobError
from keyfob.server.io.signing_keys import make_keys
from keyfob.server.ports import Audit
from keyfob.server.records import Document
from keyfob.server.settings.config import TenantConfig
from keyfob.server.site import Site

LOOK_EVERY: Final = timedelta(seconds=1)
_LOG: Final = logging.getLogger("keyfob.serve")
Read = Callable[[tuple[Document, ...]], TenantConfig]
State = Callable[[], object]


class Follower:
    """Looks once a second, or when somebody rings, and only when the tenant is asked for something anyway."""

    def __init__(
        self, site: Site, master: bytes, read: Read, seen: tuple[Document, ...], state: State = lambda: None
    ) -> None:
        """Know what the site goes by now.

        Args:
            site: The running tenant.
            master: Its master key.
            read: Makes settings of what is stored; raises KeyfobError.
            seen: What was stored when the site was made.
            state: What is another once somebody has rung.
        """
        self._site = site
        self._master = master
        self._read = read
        self._seen = seen
        self._looked = site.now()
        self._state = state
        self._heard: object = None  # nothing yet: what came while the site was made is heard at the first request

    async def look(self) -> None:
        """Go on with other settings, if there are any. Those that cannot be used are logged, and the old ones stay."""
        now, heard = self._site.now(), self._state()
        # abs: a clock that was set back must not keep us from looking
        if heard == self._heard and abs(now - self._looked) < LOOK_EVERY:
            return
        self._looked, self._heard = now, heard
        try:
            await self._follow()
        except KeyfobError as problem:
            _LOG.warning("the new settings cannot be used, the old ones stay: %s %s", problem.message, problem.hint)
        except Exception:  # noqa: BLE001  whoever asked for something else must not suffer for it
            _LOG.exception("the settings could not be looked at, the old ones stay")

    async def _follow(self) -> None:
        site = self._site
        documents = await site.store.read(lambda transaction: transaction.documents())
        if documents == self._seen:
            return
        self._seen = documents  # also when they turn out to be of no use: that is said once
        config = self._read(documents)
        before = site.config.password_users()
        keys = await make_keys(site.store, self._master, site.surroundings, config)
        site.reconfigure(config, keys)
        _LOG.info("the settings have changed")
        if set(config.password_users()) - set(before):
            note_password_users(config, site.audit, site.now())


def note_password_users(config: TenantConfig, audit: Audit, now: datetime) -> None:
    """Tell the audit log which applications may use the password grants, if any. `depnote`: Auth0 deprecates them."""
    names = config.password_users()
    if names:
        words = f"These applications may use the password grants: {', '.join(names)}"
        audit({"type": "depnote", "date": now.isoformat(), "description": words})

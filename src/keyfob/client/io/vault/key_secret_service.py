"""The vault's key in a Linux desktop's Secret Service: GNOME Keyring, KWallet, KeePassXC (freedesktop.org)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Final, TypeVar

from keyfob.client.io.vault.bounded import LIMIT_SECONDS, PERSON_SECONDS, within
from keyfob.client.model.storage_choice import KEY_BYTES
from keyfob.errors import VaultUnavailable
from keyfob.io.secret_service import ATTRIBUTES, bus_address

if TYPE_CHECKING:
    from keyfob.client.io.vault.secret_bus import SecretBus

T = TypeVar("T")

_LABEL: Final = "keyfob: the key of the vault"


class SecretService:
    """One item in the default collection."""

    def __init__(self, environment: Mapping[str, str], *, limit: float = LIMIT_SECONDS) -> None:
        """Find the session bus without connecting to it.

        Raises:
            VaultUnavailable: This session has no bus (`key-absent`).
        """
        self._address = bus_address(environment.get("DBUS_SESSION_BUS_ADDRESS"), environment.get("XDG_RUNTIME_DIR"))
        if not self._address:
            raise VaultUnavailable("this session has no keyring", code="key-absent")
        self._limit = limit

    def read(self, *, may_ask: bool) -> bytes | None:
        def work(bus: SecretBus) -> bytes | None:
            # The search finds a locked item too, but a locked collection may hide an item from it.
            item = bus.find(ATTRIBUTES)
            if item is None:
                bus.open_collection(may_ask=may_ask)
                item = bus.find(ATTRIBUTES)
            if item is None:
                return None
            bus.unlock(item, may_ask=may_ask)
            found = bus.secret(item)
            return found if len(found) == KEY_BYTES else None

        return self._bounded(work, may_ask=may_ask)

    def write(self, key: bytes, *, may_ask: bool) -> None:
        def work(bus: SecretBus) -> None:
            bus.create(bus.open_collection(may_ask=may_ask), _LABEL, ATTRIBUTES, key, may_ask=may_ask)

        self._bounded(work, may_ask=may_ask)

    def remove(self) -> None:
        def work(bus: SecretBus) -> None:
            item = bus.find(ATTRIBUTES)
            if item is not None:
                bus.delete(item)

        self._bounded(work, may_ask=False)

    def _bounded(self, work: Callable[[SecretBus], T], *, may_ask: bool) -> T:
        # The service must answer within the limit; only a prompted user may take longer.
        patience = PERSON_SECONDS if may_ask else self._limit

        def run() -> T:
            from keyfob.client.io.vault.secret_bus import SecretBus  # noqa: PLC0415  loads jeepney; only a desktop has it

            with closing(SecretBus(self._address, self._limit, patience)) as bus:
                return work(bus)

        return within(patience + self._limit if may_ask else self._limit, "the keyring", run)

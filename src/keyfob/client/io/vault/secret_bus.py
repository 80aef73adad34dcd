"""A client of the Secret Service API over D-Bus, with the few calls that the vault's key needs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from keyfob.errors import VaultUnavailable

# jeepney has no types.
_jeepney: Any = importlib.import_module("jeepney")
_blocking: Any = importlib.import_module("jeepney.io.blocking")

_BUS: Final = "org.freedesktop.secrets"
_API: Final = "org.freedesktop.Secret"
_ROOT: Final = "/org/freedesktop/secrets"
_NOTHING: Final = "/"
_ABSENT: Final = frozenset(
    f"org.freedesktop.DBus.Error.{name}"
    for name in ("ServiceUnknown", "NameHasNoOwner", "Spawn.ExecFailed", "Spawn.ServiceNotFound", "Spawn.ChildExited")
)


class SecretBus:
    """A session with the Secret Service. Secrets are sent unencrypted, since only this user can connect to the bus."""

    def __init__(self, address: str, limit: float, patience: float) -> None:
        """Connect to the bus and open a session.

        Args:
            address: The address of the bus.
            limit: The time limit for a reply of the service, in seconds.
            patience: The time limit for the user's answer to a prompt, in seconds.

        Raises:
            VaultUnavailable: There is no bus, or the bus has no Secret Service.
        """
        self._limit, self._patience = limit, patience
        try:
            self._connection: Any = _blocking.open_dbus_connection(address)
        except (OSError, RuntimeError, ValueError):
            raise VaultUnavailable("this session has no keyring", code="key-absent") from None
        try:
            self._session = str(self._call(_ROOT, "Service", "OpenSession", "sv", ("plain", ("s", "")))[1])
        except VaultUnavailable:
            self.close()
            raise

    def close(self) -> None:
        self._connection.close()

    def find(self, attributes: Mapping[str, str]) -> str | None:
        """Return the path of the item with these attributes, locked or not; None if there is none."""
        unlocked, locked = self._call(_ROOT, "Service", "SearchItems", "a{ss}", (dict(attributes),))
        found = [str(path) for path in [*unlocked, *locked]]
        return found[0] if found else None

    def open_collection(self, *, may_ask: bool) -> str:
        """Unlock the default collection, and return its path.

        Raises:
            VaultUnavailable: There is no default collection, or the collection stays locked.
        """
        (path,) = self._call(_ROOT, "Service", "ReadAlias", "s", ("default",))
        if path == _NOTHING:
            raise VaultUnavailable("the keyring has no collection for a key", code="key-absent")
        self.unlock(path, may_ask=may_ask)
        return str(path)

    def unlock(self, path: str, *, may_ask: bool) -> None:
        """Unlock a collection or an item; raise `VaultUnavailable` if it stays locked."""
        _, prompt = self._call(_ROOT, "Service", "Unlock", "ao", ([path],))
        self._settle(prompt, may_ask=may_ask)

    def secret(self, item: str) -> bytes:
        (found,) = self._call(item, "Item", "GetSecret", "o", (self._session,))
        return bytes(found[2])

    def create(
        self, collection: str, label: str, attributes: Mapping[str, str], content: bytes, *, may_ask: bool
    ) -> None:
        """Create an item, or replace the item that has the same attributes."""
        properties = {
            f"{_API}.Item.Label": ("s", label),
            f"{_API}.Item.Attributes": ("a{ss}", dict(attributes)),
        }
        secret = (self._session, b"", content, "application/octet-stream")
        body = (properties, secret, True)
        _, prompt = self._call(collection, "Collection", "CreateItem", "a{sv}(oayays)b", body)
        self._settle(prompt, may_ask=may_ask)

    def delete(self, item: str) -> None:
        (prompt,) = self._call(item, "Item", "Delete", None, ())
        self._settle(prompt, may_ask=False)

    def _settle(self, prompt: str, *, may_ask: bool) -> None:
        """Show the service's prompt; raise `VaultUnavailable` if prompts are not allowed or the user dismisses it."""
        if prompt == _NOTHING:
            return
        if not may_ask or self._is_dismissed(prompt):
            hint = "Unlock it as for other programs, or log in at a terminal of that session."
            raise VaultUnavailable("the keyring is locked", code="key-locked", hint=hint)

    def _is_dismissed(self, prompt: str) -> bool:
        rule = _jeepney.MatchRule(type="signal", interface=f"{_API}.Prompt", member="Completed", path=prompt)
        _blocking.Proxy(_jeepney.message_bus, self._connection, timeout=self._limit).AddMatch(rule)
        with self._connection.filter(rule) as queue:
            self._call(prompt, "Prompt", "Prompt", "s", ("",))
            try:
                answer = self._connection.recv_until_filtered(queue, timeout=self._patience)
            except TimeoutError:
                return True
        return bool(answer.body[0])

    def _call(
        self, path: str, interface: str, method: str, signature: str | None, body: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """Call a method and return the reply's body."""
        address = _jeepney.DBusAddress(path, _BUS, f"{_API}.{interface}")
        try:
            reply = self._connection.send_and_get_reply(
                _jeepney.new_method_call(address, method, signature, body), timeout=self._limit
            )
        except TimeoutError:
            raise VaultUnavailable("the keyring does not respond", code="key-hung") from None
        except OSError:
            raise VaultUnavailable("the keyring closed the connection", code="key-absent") from None
        if reply.header.message_type.name == "error":
            _refuse(_jeepney.DBusErrorResponse(reply).name)
        found: tuple[Any, ...] = reply.body
        return found


def _refuse(name: str) -> NoReturn:
    """Raise `VaultUnavailable` for an error reply from the bus."""
    if name in _ABSENT or ".Spawn." in name:
        raise VaultUnavailable("this session has no keyring", code="key-absent")
    if name == f"{_API}.Error.IsLocked":
        raise VaultUnavailable("the keyring is locked", code="key-locked")
    if name == "org.freedesktop.DBus.Error.NoReply":
        raise VaultUnavailable("the keyring does not respond", code="key-hung")
    raise VaultUnavailable("the keyring refuses", code="key-absent")

"""The few calls of the Secret Service API that one key needs, spoken through jeepney."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from keyfob.errors import VaultUnavailable

# jeepney has no types; what comes from it is looked at before it is believed.
_jeepney: Any = importlib.import_module("jeepney")
_blocking: Any = importlib.import_module("jeepney.io.blocking")

_BUS: Final = "org.freedesktop.secrets"
_API: Final = "org.freedesktop.Secret"
_ROOT: Final = "/org/freedesktop/secrets"
_NOTHING: Final = "/"
_NOBODY: Final = frozenset(
    f"org.freedesktop.DBus.Error.{name}"
    for name in ("ServiceUnknown", "NameHasNoOwner", "Spawn.ExecFailed", "Spawn.ServiceNotFound", "Spawn.ChildExited")
)


class SecretBus:
    """One conversation with the service. Secrets travel plain: the bus is this user's own, and so is the service."""

    def __init__(self, address: str, limit: float, patience: float) -> None:
        """Connect.

        Args:
            address: Of the bus.
            limit: Seconds for one answer of the service.
            patience: Seconds for a person who is asked.

        Raises:
            VaultUnavailable: There is no bus, or nobody on it keeps secrets.
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
        """Hang up."""
        self._connection.close()

    def find(self, attributes: Mapping[str, str]) -> str | None:
        """The item with these attributes, locked or not."""
        unlocked, locked = self._call(_ROOT, "Service", "SearchItems", "a{ss}", (dict(attributes),))
        found = [str(path) for path in [*unlocked, *locked]]
        return found[0] if found else None

    def open_collection(self, *, may_ask: bool) -> str:
        """The default collection, unlocked.

        Raises:
            VaultUnavailable: There is none, or it is locked and stays so.
        """
        (path,) = self._call(_ROOT, "Service", "ReadAlias", "s", ("default",))
        if path == _NOTHING:
            raise VaultUnavailable("the keyring has no collection to put a key in", code="key-absent")
        self.unlock(path, may_ask=may_ask)
        return str(path)

    def unlock(self, path: str, *, may_ask: bool) -> None:
        """Unlock a collection or an item.

        Raises:
            VaultUnavailable: Only a person could, and they did not.
        """
        _, prompt = self._call(_ROOT, "Service", "Unlock", "ao", ([path],))
        self._settle(prompt, may_ask=may_ask)

    def secret(self, item: str) -> bytes:
        """What an item holds."""
        (found,) = self._call(item, "Item", "GetSecret", "o", (self._session,))
        return bytes(found[2])

    def create(
        self, collection: str, label: str, attributes: Mapping[str, str], content: bytes, *, may_ask: bool
    ) -> None:
        """Put an item there, in place of the one with the same attributes."""
        told = {
            f"{_API}.Item.Label": ("s", label),
            f"{_API}.Item.Attributes": ("a{ss}", dict(attributes)),
        }
        secret = (self._session, b"", content, "application/octet-stream")
        body = (told, secret, True)
        _, prompt = self._call(collection, "Collection", "CreateItem", "a{sv}(oayays)b", body)
        self._settle(prompt, may_ask=may_ask)

    def delete(self, item: str) -> None:
        """Take an item away."""
        (prompt,) = self._call(item, "Item", "Delete", None, ())
        self._settle(prompt, may_ask=False)

    def _settle(self, prompt: str, *, may_ask: bool) -> None:
        """Let the person answer a prompt.

        Raises:
            VaultUnavailable: They may not be asked, or said no.
        """
        if prompt == _NOTHING:
            return
        if not may_ask or self._is_dismissed(prompt):
            hint = "Unlock it as you unlock it for other programs, or run keyfob login in a terminal of that session."
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
        """Ask, and wait for the answer's body.

        Raises:
            VaultUnavailable: Nobody is there, nobody answers, or the service refuses.
        """
        address = _jeepney.DBusAddress(path, _BUS, f"{_API}.{interface}")
        try:
            reply = self._connection.send_and_get_reply(
                _jeepney.new_method_call(address, method, signature, body), timeout=self._limit
            )
        except TimeoutError:
            raise VaultUnavailable("the keyring does not answer", code="key-hung") from None
        except OSError:
            raise VaultUnavailable("the keyring hung up", code="key-absent") from None
        if reply.header.message_type.name == "error":
            _refuse(_jeepney.DBusErrorResponse(reply).name)
        found: tuple[Any, ...] = reply.body
        return found


def _refuse(name: str) -> NoReturn:
    """Say what an error of the bus means.

    Raises:
        VaultUnavailable: Always.
    """
    if name in _NOBODY or ".Spawn." in name:
        raise VaultUnavailable("this session has no keyring", code="key-absent")
    if name == f"{_API}.Error.IsLocked":
        raise VaultUnavailable("the keyring is locked", code="key-locked")
    if name == "org.freedesktop.DBus.Error.NoReply":
        raise VaultUnavailable("the keyring does not answer", code="key-hung")
    raise VaultUnavailable("the keyring refuses", code="key-absent")

"""The vault's key in the desktop's keyring.

On Linux, that is GNOME Keyring, KWallet or KeePassXC, by D-Bus. macOS and Windows have keyrings of their own.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from keyfob.client.model.storage_choice import KEY_BYTES
from keyfob.errors import VaultUnavailable
from keyfob.io.secret_service import ATTRIBUTES, bus_address

if TYPE_CHECKING:
    from keyfob.client.io.vault.secret_bus import SecretBus

T = TypeVar("T")

LIMIT_SECONDS: Final = 3.0
PERSON_SECONDS: Final = 90.0  # for typing the password that unlocks a keyring
_LABEL: Final = "keyfob: the key of the vault"
SERVICE: Final = "keyfob"
ACCOUNT: Final = "vault key"
# Named one by one: the library's own choice could be a plain file, or no storage at all.
_BACKENDS: Final = {
    "darwin": ("keyring.backends.macOS", "Keyring"),
    "win32": ("keyring.backends.Windows", "WinVaultKeyring"),
}
# macOS: errSecInteractionNotAllowed, errSecAuthFailed, errSecUserCanceled. Windows: ERROR_NO_SUCH_LOGON_SESSION.
_LOCKED: Final = frozenset({-25308, -25293, -128, 1312})


def within(seconds: float, what: str, work: Callable[[], T]) -> T:
    """Run a function in a thread and return its result. After `seconds`, stop waiting and leave the thread running.

    Args:
        seconds: The time limit.
        what: What the function works on, for the error message, such as "the keyring".
        work: The function.

    Raises:
        VaultUnavailable: The function took too long (code `key-hung`). The errors of `work` are raised unchanged.
    """
    results: list[T] = []
    problems: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as problem:  # noqa: BLE001  it is raised again in the waiting thread
            problems.append(problem)

    worker = threading.Thread(target=run, name="keyfob-keyring", daemon=True)
    worker.start()
    worker.join(seconds)
    if results:
        return results[0]
    if problems:
        raise problems[0]
    message = f"{what} does not answer (waited {seconds:.0f} s)"
    hint = "Unlock it, or see which other places for the vault's key work."
    raise VaultUnavailable(message, code="key-hung", hint=hint, flags="keyfob vault status")


class SecretService:
    """The vault's key as one item in the default collection of the Secret Service (a `KeyPlace`)."""

    def __init__(self, environment: Mapping[str, str], *, limit: float = LIMIT_SECONDS) -> None:
        """Find the address of the D-Bus session bus, without connecting.

        Args:
            environment: The environment variables.
            limit: The time limit for the Secret Service's reply, in seconds.

        Raises:
            VaultUnavailable: This session has no D-Bus session bus. The error has the code `key-absent`.
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


class Backend(Protocol):
    """The part of `keyring.backend.KeyringBackend` that keyfob uses."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


def os_backend(platform: str = sys.platform) -> Backend:
    """Return the backend for the operating system's own keyring.

    Raises:
        VaultUnavailable: This platform has no keyring, or the keyring cannot be used here (`key-absent`).
    """
    with contextlib.suppress(Exception):  # a library that is missing or broken is no keyring
        module, name = _BACKENDS[platform]
        kind: Any = getattr(importlib.import_module(module), name)
        if kind.viable:
            backend: Backend = kind()
            return backend
    raise VaultUnavailable("this system has no usable keyring", code="key-absent")


class OsKeyring:
    """The vault's key as the password, in Base64, of one entry of the operating system's keyring (a `KeyPlace`)."""

    def __init__(self, backend: Backend, *, limit: float = LIMIT_SECONDS) -> None:
        self._backend = backend
        self._limit = limit

    def read(self, *, may_ask: bool) -> bytes | None:
        return _decode(self._bounded(lambda: self._backend.get_password(SERVICE, ACCOUNT), may_ask=may_ask))

    def write(self, key: bytes, *, may_ask: bool) -> None:
        text = base64.b64encode(key).decode("ascii")
        self._bounded(lambda: self._backend.set_password(SERVICE, ACCOUNT, text), may_ask=may_ask)

    def remove(self) -> None:
        def work() -> None:
            if self._backend.get_password(SERVICE, ACCOUNT) is not None:
                self._backend.delete_password(SERVICE, ACCOUNT)

        self._bounded(work, may_ask=False)

    def _bounded(self, work: Callable[[], T], *, may_ask: bool) -> T:
        try:
            return within(PERSON_SECONDS if may_ask else self._limit, "the keyring", work)
        except VaultUnavailable:
            raise
        except Exception as problem:  # noqa: BLE001  on Windows the backend passes the system's own errors through
            raise _refusal(problem) from None


def _decode(text: str | None) -> bytes | None:
    """Return the key in a text; None if the text contains no key, so that the caller stores a new key."""
    try:
        key = base64.b64decode(text or "", validate=True)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


def _refusal(problem: Exception) -> VaultUnavailable:
    # On Windows, the status is the first argument of the error; on macOS, of the error's cause. The backend for macOS
    # raises KeyringLocked for only one of the three statuses of a locked keychain.
    arguments = (problem.__cause__ or problem).args
    status = arguments[0] if arguments and isinstance(arguments[0], int) else None
    if status in _LOCKED or type(problem).__name__ == "KeyringLocked":
        return VaultUnavailable("the keyring is locked", code="key-locked", hint="Unlock it, and try again.")
    reason = type(problem).__name__ if status is None else f"status {status}"
    return VaultUnavailable(f"the keyring cannot be used ({reason})", code="key-absent")

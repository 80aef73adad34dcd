"""The vault's key in the keychain of macOS or the Credential Manager of Windows, through the library `keyring`."""

from __future__ import annotations

import base64
import contextlib
import importlib
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from keyfob.client.io.vault.bounded import LIMIT_SECONDS, PERSON_SECONDS, within
from keyfob.client.model.storage_choice import KEY_BYTES
from keyfob.errors import VaultUnavailable

T = TypeVar("T")

SERVICE: Final = "keyfob"
ACCOUNT: Final = "vault key"
# Named one by one: the library's own choice could be a plain file, or no storage at all.
_BACKENDS: Final = {
    "darwin": ("keyring.backends.macOS", "Keyring"),
    "win32": ("keyring.backends.Windows", "WinVaultKeyring"),
}
# macOS: errSecInteractionNotAllowed, errSecAuthFailed, errSecUserCanceled. Windows: ERROR_NO_SUCH_LOGON_SESSION.
_LOCKED: Final = frozenset({-25308, -25293, -128, 1312})


class Backend(Protocol):
    """The part of `keyring.backend.KeyringBackend` that one key needs."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


def os_backend(platform: str = sys.platform) -> Backend:
    """Return the backend for the operating system's own keyring.

    Raises:
        VaultUnavailable: There is none for this platform, or it cannot be used here (`key-absent`).
    """
    with contextlib.suppress(Exception):  # a library that is missing or broken is no keyring
        module, name = _BACKENDS[platform]
        kind: Any = getattr(importlib.import_module(module), name)
        if kind.viable:
            backend: Backend = kind()
            return backend
    raise VaultUnavailable("this system has no usable keyring", code="key-absent")


class OsKeyring:
    """One password: the key in Base64."""

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
    """Return the key, or None if the text is not one: then it is replaced."""
    try:
        key = base64.b64decode(text or "", validate=True)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


def _refusal(problem: Exception) -> VaultUnavailable:
    # The status is the first argument of Windows' error, and of the cause of what the backend for macOS raises. Only
    # one of macOS's three statuses for a locked keychain is a KeyringLocked there.
    arguments = (problem.__cause__ or problem).args
    status = arguments[0] if arguments and isinstance(arguments[0], int) else None
    if status in _LOCKED or type(problem).__name__ == "KeyringLocked":
        return VaultUnavailable("the keyring is locked", code="key-locked", hint="Unlock it, and try again.")
    reason = type(problem).__name__ if status is None else f"status {status}"
    return VaultUnavailable(f"the keyring cannot be used ({reason})", code="key-absent")

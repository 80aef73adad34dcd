"""The vault's key in a file that only this user of this Windows opens (DPAPI): no limit on size, nothing to unlock."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from keyfob.client.io.vault.bounded import LIMIT_SECONDS, within
from keyfob.client.io.vault.files import read_private, remove, write_private
from keyfob.client.io.vault.key_place import KEY_BYTES, SERVICE
from keyfob.errors import VaultUnavailable

_NO_WINDOW: Final = 1  # CRYPTPROTECT_UI_FORBIDDEN


class Blob(ctypes.Structure):
    """DATA_BLOB."""

    _fields_ = (("size", ctypes.c_uint32), ("content", ctypes.c_void_p))


class Calls(Protocol):
    """The three functions of Windows that one key needs, as C has them."""

    def CryptProtectData(self, *arguments: object) -> int:  # noqa: N802  Microsoft's name
        """Seal; 0 if not."""
        ...

    def CryptUnprotectData(self, *arguments: object) -> int:  # noqa: N802
        """Open; 0 if not."""
        ...

    def LocalFree(self, memory: object) -> object:  # noqa: N802
        """Give memory back."""
        ...


def windows_calls() -> Calls:
    """The real ones.

    Raises:
        VaultUnavailable: This is not Windows.
    """
    if sys.platform == "win32":  # pragma: no cover

        class Found:
            CryptProtectData = ctypes.WinDLL("crypt32").CryptProtectData
            CryptUnprotectData = ctypes.WinDLL("crypt32").CryptUnprotectData
            LocalFree = ctypes.WinDLL("kernel32").LocalFree

        calls: Any = Found
        calls.LocalFree.argtypes = (ctypes.c_void_p,)
        return calls  # type: ignore[no-any-return]
    raise VaultUnavailable("this is not Windows", code="key-absent")


class Dpapi:
    """A key in a file that is sealed for this user."""

    def __init__(self, path: Path, calls: Calls, *, limit: float = LIMIT_SECONDS) -> None:
        """Know where, and whom to ask."""
        self._path = path
        self._calls = calls
        self._limit = limit

    def read(self, *, may_ask: bool) -> bytes | None:
        """The key, or None.

        Raises:
            VaultUnavailable: It was sealed for another user or another machine.
        """
        del may_ask
        box = read_private(self._path)
        if box is None:
            return None
        found = within(self._limit, "DPAPI", lambda: self._turn(self._calls.CryptUnprotectData, box))
        return found if len(found) == KEY_BYTES else None

    def write(self, key: bytes, *, may_ask: bool) -> None:
        """Have it sealed."""
        del may_ask
        write_private(self._path, within(self._limit, "DPAPI", lambda: self._turn(self._calls.CryptProtectData, key)))

    def remove(self) -> None:
        """Forget it."""
        remove(self._path)

    def _turn(self, function: Callable[..., int], content: bytes) -> bytes:
        room = ctypes.create_string_buffer(content, len(content))
        given, made = Blob(len(content), ctypes.addressof(room)), Blob()
        purpose_room = ctypes.create_string_buffer(SERVICE.encode(), len(SERVICE))
        purpose = Blob(len(SERVICE), ctypes.addressof(purpose_room))
        flags = ctypes.c_uint32(_NO_WINDOW)
        done = function(ctypes.byref(given), None, ctypes.byref(purpose), None, None, flags, ctypes.byref(made))
        if not done:
            raise VaultUnavailable("Windows does not open the vault's key for this user", code="key-locked")
        try:
            return ctypes.string_at(made.content, made.size)
        finally:
            self._calls.LocalFree(ctypes.c_void_p(made.content))

"""The vault's key in the Linux kernel's keyring of this user, gone with their last process (user-keyring(7))."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from typing import Final, NoReturn

from keyfob.client.io.key_place import KEY_BYTES
from keyfob.errors import VaultUnavailable

# add_key and keyctl have numbers and no wrappers in the C library; each family of machines has its own.
_NUMBERS: Final = {"x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219), "loongarch64": (217, 219)}
_USER_KEYRING: Final = -4
_SEARCH, _READ, _UNLINK, _SETPERM = 10, 11, 9, 5
# Whoever possesses it may do all, and this user's other sessions may view, read, search and unlink it.
_MODE: Final = 0x3F3F0000
_NAME: Final = b"keyfob:vault-key"
_LOST: Final = frozenset({errno.ENOKEY, errno.EKEYEXPIRED, errno.EKEYREVOKED})


class KernelKeyring:
    """A key of the kind `user` in the user's keyring."""

    def __init__(self, name: bytes = _NAME) -> None:
        """Find the system calls.

        Args:
            name: The key's.

        Raises:
            VaultUnavailable: This machine has none that we know.
        """
        numbers = _NUMBERS.get(platform.machine()) if sys.platform == "linux" and sys.maxsize > 2**32 else None
        if numbers is None:
            raise VaultUnavailable("this system has no kernel keyring", code="key-absent")
        self._add_key, self._keyctl = numbers
        self._name = name
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long

    def read(self, *, may_ask: bool) -> bytes | None:
        """The key, or None."""
        del may_ask
        found = self._find()
        if found is None:
            return None
        room = ctypes.create_string_buffer(KEY_BYTES)
        length = self._call(self._keyctl, _READ, ctypes.c_long(found), room, ctypes.c_size_t(KEY_BYTES))
        if length < 0:
            _fail()
        return room.raw if length == KEY_BYTES else None

    def write(self, key: bytes, *, may_ask: bool) -> None:
        """Put it there."""
        del may_ask
        size, keyring = ctypes.c_size_t(len(key)), ctypes.c_long(_USER_KEYRING)
        made = self._call(self._add_key, ctypes.c_char_p(b"user"), ctypes.c_char_p(self._name), key, size, keyring)
        if made < 0 or self._call(self._keyctl, _SETPERM, ctypes.c_long(made), ctypes.c_long(_MODE)) < 0:
            _fail()

    def remove(self) -> None:
        """Take it away."""
        found = self._find()
        if found is not None:
            self._call(self._keyctl, _UNLINK, ctypes.c_long(found), ctypes.c_long(_USER_KEYRING))

    def _find(self) -> int | None:
        kind, name = ctypes.c_char_p(b"user"), ctypes.c_char_p(self._name)
        found: int = self._call(self._keyctl, _SEARCH, ctypes.c_long(_USER_KEYRING), kind, name, ctypes.c_long(0))
        if found < 0 and ctypes.get_errno() not in _LOST:
            _fail()
        return found if found >= 0 else None


def _fail() -> NoReturn:
    """Say what the kernel said.

    Raises:
        VaultUnavailable: Always.
    """
    reason = os.strerror(ctypes.get_errno())
    raise VaultUnavailable(f"the kernel keyring cannot be used: {reason}", code="key-absent")

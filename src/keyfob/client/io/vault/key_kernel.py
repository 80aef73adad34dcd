"""The vault's key in the Linux kernel's keyrings of this user, gone with the machine or days after them."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final, NoReturn

from keyfob.client.io.vault.key_place import KEY_BYTES
from keyfob.errors import VaultUnavailable
from keyfob.io.kernel_keyring import USER_KEYRING, VAULT_KEY, Calls

_SETPERM, _LINK, _UNLINK = 5, 8, 9
# Whoever possesses it may do all, and this user's other sessions may view, read, search and unlink it.
_MODE: Final = 0x3F3F0000
_LOST: Final = frozenset({errno.ENOKEY, errno.EKEYEXPIRED, errno.EKEYREVOKED})


class KernelKeyring:
    """A key of the kind `user` in each keyring that the user has."""

    def __init__(self, name: bytes = VAULT_KEY) -> None:
        """Find the system calls.

        Args:
            name: The key's.

        Raises:
            VaultUnavailable: This machine has none that we know.
        """
        try:
            self._calls = Calls()
        except OSError:
            raise VaultUnavailable("this system has no kernel keyring", code="key-absent") from None
        self._name = name

    def read(self, *, may_ask: bool) -> bytes | None:
        """The key, or None."""
        del may_ask
        found = self._find()
        if found is None:
            return None
        key = self._calls.read(found, KEY_BYTES)
        if key is None:
            _fail()
        self._link(found)  # it may have been put there before the other keyring was, or have outlived that one
        return key or None

    def write(self, key: bytes, *, may_ask: bool) -> None:
        """Put it there."""
        del may_ask
        call, keyctl = self._calls.call, self._calls.keyctl
        size, keyring = ctypes.c_size_t(len(key)), ctypes.c_long(USER_KEYRING)
        made = call(self._calls.add_key, ctypes.c_char_p(b"user"), ctypes.c_char_p(self._name), key, size, keyring)
        if made < 0 or call(keyctl, _SETPERM, ctypes.c_long(made), ctypes.c_long(_MODE)) < 0:
            _fail()
        self._link(made)

    def remove(self) -> None:
        """Take it away."""
        keyrings = self._calls.keyrings()
        for _ in keyrings:  # each may have one of its own
            found = self._find()
            if found is None:
                return
            for keyring in keyrings:
                self._calls.call(self._calls.keyctl, _UNLINK, ctypes.c_long(found), ctypes.c_long(keyring))

    def _link(self, key: int) -> None:
        for keyring in self._calls.keyrings():
            self._calls.call(self._calls.keyctl, _LINK, ctypes.c_long(key), ctypes.c_long(keyring))

    def _find(self) -> int | None:
        found = self._calls.find(self._name)
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

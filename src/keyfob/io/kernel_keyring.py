"""Read keys from the user's keyrings in the Linux kernel, with few imports (keyctl(2)).

A user has two keyrings, and keyfob stores the key in both. The kernel deletes the user keyring when the user's last
process ends (user-keyring(7)). The persistent keyring depends on a build option of the kernel, and by default expires
after three days without use (persistent-keyring(7)).
"""

import ctypes
import os
import sys

# The C library has no wrappers for add_key and keyctl. Their numbers depend on the architecture.
_NUMBERS = {"x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219), "loongarch64": (217, 219)}
USER_KEYRING = -4
_PROCESS_KEYRING, _THIS_USER = -2, -1
_SEARCH, _READ, _GET_PERSISTENT = 10, 11, 22
VAULT_KEY = b"keyfob:vault-key"


class KeyringSyscalls:
    """The system calls add_key(2) and keyctl(2), which the C library does not wrap.

    Attributes:
        call: The C function `syscall`, whose `errno` ctypes stores.
        add_key: The system call number of add_key(2).
        keyctl: The system call number of keyctl(2).
    """

    def __init__(self) -> None:
        """Find the system calls; raise `OSError` if this machine is not supported."""
        numbers = _NUMBERS.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None
        if numbers is None:
            raise OSError("no kernel keyring")
        self.add_key, self.keyctl = numbers
        self.call = ctypes.CDLL(None, use_errno=True).syscall
        self.call.restype = ctypes.c_long

    def keyrings(self) -> tuple[int, ...]:
        """Return the user's keyrings. This call makes the persistent keyring accessible and restarts its expiry."""
        process = ctypes.c_long(_PROCESS_KEYRING)
        persistent: int = self.call(self.keyctl, _GET_PERSISTENT, ctypes.c_long(_THIS_USER), process)
        return (USER_KEYRING, persistent) if persistent >= 0 else (USER_KEYRING,)

    def find(self, name: bytes) -> int:
        """Return the ID of the key with this name; a negative number if there is no such key or access is denied."""
        kind, wanted, found = ctypes.c_char_p(b"user"), ctypes.c_char_p(name), -1
        for keyring in self.keyrings():
            found = self.call(self.keyctl, _SEARCH, ctypes.c_long(keyring), kind, wanted, ctypes.c_long(0))
            if found >= 0:
                break
        return found

    def read(self, number: int, size: int) -> bytes | None:
        """Return a key's content; None if the kernel refuses access, b"" if the content is not `size` bytes long."""
        room = ctypes.create_string_buffer(size)
        length: int = self.call(self.keyctl, _READ, ctypes.c_long(number), room, ctypes.c_size_t(size))
        if length < 0:
            return None
        return room.raw if length == size else b""

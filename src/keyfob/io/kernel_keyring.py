"""What the Linux kernel's keyrings of this user hold under a name: found and read, with few imports (keyctl(2)).

A user has two: one that ends with their last process (user-keyring(7)), and where the kernel was built so one that
outlives it, by three days without use as things come (persistent-keyring(7)). The key lies in both.
"""

import ctypes
import os
import sys

# add_key and keyctl have numbers and no wrappers in the C library; each family of machines has its own.
_NUMBERS = {"x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219), "loongarch64": (217, 219)}
USER_KEYRING = -4
_PROCESS_KEYRING, _THIS_USER = -2, -1
_SEARCH, _READ, _GET_PERSISTENT = 10, 11, 22
VAULT_KEY = b"keyfob:vault-key"


class Calls:
    """The two system calls.

    Attributes:
        call: `syscall`, which leaves its `errno` with ctypes.
        add_key: The number of add_key(2).
        keyctl: The number of keyctl(2).
    """

    def __init__(self) -> None:
        """Find them.

        Raises:
            OSError: This machine has none that we know.
        """
        numbers = _NUMBERS.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None
        if numbers is None:
            raise OSError("no kernel keyring")
        self.add_key, self.keyctl = numbers
        self.call = ctypes.CDLL(None, use_errno=True).syscall
        self.call.restype = ctypes.c_long

    def keyrings(self) -> tuple[int, ...]:
        """Those of the user; the days of the persistent one begin anew, and this process is given what lies in it."""
        process = ctypes.c_long(_PROCESS_KEYRING)
        persistent: int = self.call(self.keyctl, _GET_PERSISTENT, ctypes.c_long(_THIS_USER), process)
        return (USER_KEYRING, persistent) if persistent >= 0 else (USER_KEYRING,)

    def find(self, name: bytes) -> int:
        """The number of the key of that name in one of them; below zero where there is none, or none to have."""
        kind, wanted, found = ctypes.c_char_p(b"user"), ctypes.c_char_p(name), -1
        for keyring in self.keyrings():
            found = self.call(self.keyctl, _SEARCH, ctypes.c_long(keyring), kind, wanted, ctypes.c_long(0))
            if found >= 0:
                break
        return found

    def read(self, number: int, size: int) -> bytes | None:
        """A key's content; None where the kernel does not give it, and b"" where it is not of that size."""
        room = ctypes.create_string_buffer(size)
        length: int = self.call(self.keyctl, _READ, ctypes.c_long(number), room, ctypes.c_size_t(size))
        if length < 0:
            return None
        return room.raw if length == size else b""

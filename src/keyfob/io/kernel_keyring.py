"""What the Linux kernel's keyring of this user holds under a name: found and read, with few imports (keyctl(2))."""

import ctypes
import os
import sys

# add_key and keyctl have numbers and no wrappers in the C library; each family of machines has its own.
_NUMBERS = {"x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219), "loongarch64": (217, 219)}
USER_KEYRING = -4
_SEARCH, _READ = 10, 11
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

    def find(self, name: bytes) -> int:
        """The number of the key of that name in the user's keyring; below zero where there is none, or none to have."""
        kind, wanted = ctypes.c_char_p(b"user"), ctypes.c_char_p(name)
        found: int = self.call(self.keyctl, _SEARCH, ctypes.c_long(USER_KEYRING), kind, wanted, ctypes.c_long(0))
        return found

    def read(self, number: int, size: int) -> bytes | None:
        """A key's content; None where the kernel does not give it, and b"" where it is not of that size."""
        room = ctypes.create_string_buffer(size)
        length: int = self.call(self.keyctl, _READ, ctypes.c_long(number), room, ctypes.c_size_t(size))
        if length < 0:
            return None
        return room.raw if length == size else b""

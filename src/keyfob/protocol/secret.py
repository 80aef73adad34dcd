"""A string that is never printed or logged, and is compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from typing import ClassVar, NoReturn, final


@final
class Secret:
    """A token, code, password or key. Only `reveal()` returns the value.

    A test lists the modules that may call `reveal()`.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the value, to be sent or stored."""
        return self.__value

    def digest(self) -> bytes:
        """Return the SHA-256 of the value, as a cache key. Use this only for values that cannot be guessed."""
        return hashlib.sha256(self.__value.encode("utf-8", "surrogatepass")).digest()

    def __len__(self) -> int:
        """Return the number of characters, which is not secret."""
        return len(self.__value)

    def __eq__(self, other: object) -> bool:
        """Compare two secrets in constant time. A plain string never equals a secret."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # a hash table's comparison would leak by timing

    def __repr__(self) -> str:
        """Return a fixed placeholder, never the value."""
        return "Secret(...)"

    def __str__(self) -> str:
        """Return a fixed placeholder, never the value."""
        return "[secret]"

    def __format__(self, spec: str, /) -> str:
        """Return a fixed placeholder, never the value."""
        return "[secret]"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled.

        Raises:
            TypeError: Always.
        """
        msg = "a Secret is not pickled"
        raise TypeError(msg)

"""A string that does not print, is not logged, and compares in constant time."""

from __future__ import annotations

import hashlib
import hmac
from typing import NoReturn, final


@final
class Secret:
    """A token, code, password or key. Opened only by `reveal()`, in modules that a house test lists."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        """Wrap it."""
        self.__value = value

    def reveal(self) -> str:
        """The value itself, for the wire or the vault."""
        return self.__value

    def digest(self) -> bytes:
        """SHA-256 of it: to find again what was learnt about it, without keeping it. Only for what nobody can guess."""
        return hashlib.sha256(self.__value.encode("utf-8", "surrogatepass")).digest()

    def __len__(self) -> int:
        """How many characters it has; that much may be known."""
        return len(self.__value)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time; a plain string never equals a secret."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash table compares early and leaks by timing

    def __repr__(self) -> str:
        """Say what it is, not what it holds."""
        return "Secret(...)"

    def __str__(self) -> str:
        """Say what it is, not what it holds."""
        return "[secret]"

    def __format__(self, spec: str, /) -> str:
        """Say what it is, not what it holds."""
        return "[secret]"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled.

        Raises:
            TypeError: Always.
        """
        msg = "a Secret is not pickled"
        raise TypeError(msg)

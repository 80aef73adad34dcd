"""Where the vault's key may lie: what every such place can do."""

from __future__ import annotations

from typing import Final, Protocol

KEY_BYTES: Final = 32


class KeyPlace(Protocol):
    """Keeps one key.

    Each method answers within seconds, or raises `VaultUnavailable` with one of these codes: `key-absent` (there is no
    such place here), `key-locked` (it is here, and shut), `key-hung` (it does not answer).
    """

    def read(self, *, may_ask: bool) -> bytes | None:
        """The key; None when the place is open and empty. Only with `may_ask` is a person asked to unlock it."""
        ...

    def write(self, key: bytes, *, may_ask: bool) -> None:
        """Put the key there."""
        ...

    def remove(self) -> None:
        """Take it away, if it is there."""
        ...

"""A fake key storage for the vault's key. It can be open, empty, locked, hanging, absent or forgetful."""

from __future__ import annotations

from pathlib import Path

from keyfob.client.model.storage_choice import Place
from keyfob.errors import Code, VaultUnavailable


class FakeKeyStorage:
    """A fake storage for one key.

    Attributes:
        key: The stored key, or None.
        trouble: The code of the error that every call raises; None if the storage works.
        forgets: Whether the storage accepts a key without storing it.
        unlocks: Whether the user unlocks the storage when asked.
    """

    def __init__(self, key: bytes | None = None, trouble: Code | None = None) -> None:
        self.key = key
        self.trouble: Code | None = trouble
        self.forgets = False
        self.unlocks = False

    def read(self, *, may_ask: bool) -> bytes | None:
        self._raise_trouble(may_ask=may_ask)
        return self.key

    def write(self, key: bytes, *, may_ask: bool) -> None:
        self._raise_trouble(may_ask=may_ask)
        if not self.forgets:
            self.key = key

    def remove(self) -> None:
        self.key = None

    def _raise_trouble(self, *, may_ask: bool) -> None:
        if may_ask and self.unlocks and self.trouble == "key-locked":
            self.trouble = None
        if self.trouble is not None:
            raise VaultUnavailable(f"this fake storage answers {self.trouble}", code=self.trouble)


class FakeKeyStorages:
    """Fake key storages by the name of the place, such as a keyring. A place without an entry counts as absent."""

    def __init__(self, **entries: FakeKeyStorage) -> None:
        self.entries = entries

    def __call__(self, place: Place, home: Path) -> FakeKeyStorage:
        """Return the fake storage of a place. In tests, this replaces `open_place` (client/io/vault/key_places.py)."""
        del home
        return self.entries.get(place) or FakeKeyStorage(trouble="key-absent")

"""A place for the key of a vault, in whatever state a test wants: open, empty, locked, hung, absent, or a pretender."""

from __future__ import annotations

from pathlib import Path

from keyfob.client.model.storage_choice import Place
from keyfob.errors import Code, VaultUnavailable


class FakeKeyStorage:
    """Keeps one key.

    Attributes:
        key: What lies there; None for nothing.
        trouble: The code that every call is answered with; None where it works.
        forgets: Whether it takes a key and keeps nothing.
        unlocks: Whether a person who is asked unlocks it.
    """

    def __init__(self, key: bytes | None = None, trouble: Code | None = None) -> None:
        """Empty and open, if nothing is said."""
        self.key = key
        self.trouble: Code | None = trouble
        self.forgets = False
        self.unlocks = False

    def read(self, *, may_ask: bool) -> bytes | None:
        """The key, or None."""
        self._answer(may_ask=may_ask)
        return self.key

    def write(self, key: bytes, *, may_ask: bool) -> None:
        """Put it there."""
        self._answer(may_ask=may_ask)
        if not self.forgets:
            self.key = key

    def remove(self) -> None:
        """Take it away."""
        self.key = None

    def _answer(self, *, may_ask: bool) -> None:
        if may_ask and self.unlocks and self.trouble == "key-locked":
            self.trouble = None
        if self.trouble is not None:
            raise VaultUnavailable(f"this drawer answers {self.trouble}", code=self.trouble)


class FakeKeyStorages:
    """One for each place; those that nobody put there are absent."""

    def __init__(self, **entries: FakeKeyStorage) -> None:
        """Which there are, by the names of their places."""
        self.entries = entries

    def __call__(self, place: Place, home: Path) -> FakeKeyStorage:
        """As `client/io/vault/key_places.py` opens a place."""
        del home
        return self.entries.get(place) or FakeKeyStorage(trouble="key-absent")

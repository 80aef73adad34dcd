"""Scopes as sets of names (RFC 6749 §3.3). The names are case-sensitive, without order or repetition."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Self

from keyfob.errors import Malformed
from keyfob.light import light_dataclass
from keyfob.protocol.fields import LONGEST_CACHED, Fields

_is_scope: Final = re.compile(r"[ !#-\[\]-~]*\Z").match


@light_dataclass(frozen=True, slots=True)
class Scope:
    """A set of scope names."""

    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """Create a scope from trusted names, without validation."""
        return cls(frozenset(names))

    @staticmethod
    def read(text: str) -> Scope:
        """Parse the value of a parameter `scope`. Raise `Malformed` for a character that RFC 6749 App. A.4 forbids."""
        return _read_cached(text) if len(text) <= LONGEST_CACHED else _read(text)

    @classmethod
    def optional(cls, fields: Fields) -> Scope | None:
        """Parse the parameter `scope`. Return None if it is absent. In JSON, accept a list too, as Auth0 does."""
        found = fields.values.get("scope")
        if isinstance(found, list):
            return cls.read(" ".join(fields.texts("scope")))
        text = fields.optional_text("scope")
        return None if text is None else cls.read(text)

    def write(self) -> str:
        """Return the names in sorted order, separated by spaces."""
        return _written(self.names) if len(self.names) <= _MOST_CACHED else " ".join(sorted(self.names))

    def __and__(self, other: Scope) -> Scope:
        """Return the names that are in both scopes."""
        return Scope(self.names & other.names)

    def __or__(self, other: Scope) -> Scope:
        """Return the names that are in at least one of the scopes."""
        return Scope(self.names | other.names)

    def __sub__(self, other: Scope) -> Scope:
        """Return the names that are not in the other scope."""
        return Scope(self.names - other.names)

    def __le__(self, other: Scope) -> bool:
        """Return whether every name is in the other scope."""
        return self.names <= other.names

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __bool__(self) -> bool:
        return bool(self.names)


def _read(text: str) -> Scope:
    if not _is_scope(text):
        raise Malformed("scope holds a character that is not allowed", field="scope")
    return Scope(frozenset(text.split()))


_MOST_CACHED: Final = 64  # names
_read_cached = lru_cache(maxsize=256)(_read)  # most requests and tokens have one of a few scopes


@lru_cache(maxsize=256)
def _written(names: frozenset[str]) -> str:
    return " ".join(sorted(names))

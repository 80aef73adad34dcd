"""Scope as a set (RFC 6749 §3.3): order and repeats mean nothing, case does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields

_is_scope: Final = re.compile(r"[ !#-\[\]-~]*\Z").match


@dataclass(frozen=True, slots=True)
class Scope:
    """A set of scope names, written in a stable order."""

    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """From single names that we trust."""
        return cls(frozenset(names))

    @classmethod
    def read(cls, text: str) -> Self:
        """From the wire.

        Raises:
            Malformed: A name holds a character that RFC 6749 App. A.4 forbids.
        """
        if not _is_scope(text):
            raise Malformed("scope holds a character that is not allowed", field="scope")
        return cls(frozenset(text.split()))

    @classmethod
    def optional(cls, fields: Fields) -> Self | None:
        """The parameter `scope`, None where it is absent. In JSON it may be a list too, as at Auth0.

        Raises:
            Malformed: It is neither text nor a list of texts, or a name holds a character that is not allowed.
        """
        found = fields.values.get("scope")
        if isinstance(found, list):
            return cls.read(" ".join(fields.texts("scope")))
        text = fields.optional_text("scope")
        return None if text is None else cls.read(text)

    def write(self) -> str:
        """To the wire, sorted."""
        return " ".join(sorted(self.names))

    def __and__(self, other: Scope) -> Scope:
        """What both hold."""
        return Scope(self.names & other.names)

    def __sub__(self, other: Scope) -> Scope:
        """What only this one holds."""
        return Scope(self.names - other.names)

    def __le__(self, other: Scope) -> bool:
        """Whether it asks for nothing beyond the other."""
        return self.names <= other.names

    def __contains__(self, name: str) -> bool:
        """Whether it holds that name."""
        return name in self.names

    def __bool__(self) -> bool:
        """Whether it holds anything."""
        return bool(self.names)

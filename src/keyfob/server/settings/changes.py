"""What a change of a tenant's settings comes to: what is added, changed and removed, for a person to read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from keyfob.server.records import Document, User
from keyfob.server.settings.schema import SECRETS
from keyfob.server.settings.toml import write_value
from keyfob.server.settings.users import PASSWORD, write_person

Sign = Literal["+", "~", "-"]
# Hashes say nothing to a person, so that they differ is all that is said of them.
_UNSPEAKABLE: Final = frozenset({SECRETS, PASSWORD})
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changes.

    Attributes:
        sign: Added, changed or removed.
        kind: As in the store, or `user`.
        lines: What changes about it: `name: "a" -> "b"`.
    """

    sign: Sign
    kind: str
    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A change that has been thought through, and that a store can make.

    Attributes:
        stored: What the store has to hold still, or somebody else came first.
        documents: What it shall hold.
        people: Who is changed: as they are, or None, and as they shall be.
        changes: The same in words.
    """

    stored: tuple[Document, ...]
    documents: tuple[Document, ...]
    people: tuple[tuple[User | None, User], ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def removes(self) -> bool:
        """Whether anything is lost by it."""
        return any(change.sign == "-" for change in self.changes)


def plan_of(
    stored: tuple[Document, ...],
    documents: tuple[Document, ...],
    people: Iterable[tuple[User | None, User]] = (),
    *,
    before: tuple[Document, ...] | None = None,
) -> Plan:
    """A plan.

    Args:
        stored: What the store holds.
        documents: What it shall hold.
        people: Everybody concerned, as they are and as they shall be; who stays the same is left out.
        before: What the changes are told against; what the store holds, if nothing is said.
    """
    moved = tuple((known, wanted) for known, wanted in people if known != wanted)
    told = [*_documents(stored if before is None else before, documents), *map(_person, moved)]
    return Plan(stored, documents, moved, tuple(told))


def _documents(before: Iterable[Document], after: Iterable[Document]) -> Iterator[Change]:
    old, new = ({(one.kind, one.name): one.text for one in found} for found in (before, after))
    for kind, name in sorted(old.keys() | new.keys()):
        was, becomes = old.get((kind, name)), new.get((kind, name))
        if was is None:
            yield Change("+", kind, name)
        elif becomes is None:
            yield Change("-", kind, name)
        elif was != becomes:
            yield Change("~", kind, name, tuple(_lines(json.loads(was), json.loads(becomes))))


def _person(moved: tuple[User | None, User]) -> Change:
    known, wanted = moved
    if known is None:
        return Change("+", "user", wanted.email)
    return Change("~", "user", wanted.email, tuple(_lines(write_person(known), write_person(wanted))))


def _lines(was: Mapping[str, object], becomes: Mapping[str, object]) -> Iterator[str]:
    for word in sorted(was.keys() | becomes.keys()):
        old, new = was.get(word), becomes.get(word)
        if old == new:
            continue
        if word in _UNSPEAKABLE:
            yield f"{word}: {_count(old)} -> {_count(new)}" if word == SECRETS else f"{word}: changed"
        else:
            yield f"{word}: {_shown(old)} -> {_shown(new)}"


def _count(secrets: object) -> str:
    number = len(cast("list[object]", secrets or []))
    return f"{number or 'no'} secret{'' if number == 1 else 's'}"


def _shown(value: object) -> str:
    text = "(not said)" if value is None else write_value(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

"""Plan a change of the settings: find what is added, changed and removed, and describe it to the operator."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from keyfob.server.records import Document, User
from keyfob.server.settings.schema import SECRETS
from keyfob.server.settings.users import PASSWORD, write_person

Sign = Literal["+", "~", "-"]
# Hashes are not shown, only that they differ.
_HIDDEN: Final = frozenset({SECRETS, PASSWORD})
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a stored document (such as a client or an API) or of a user.

    Attributes:
        sign: `+` for an addition, `~` for a change, `-` for a removal.
        kind: The kind of the document, or `user`.
        lines: The changed fields, such as `name: "a" -> "b"`.
    """

    sign: Sign
    kind: str
    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A planned change of the stored settings and users.

    Attributes:
        stored: The documents that the plan is based on. If the stored documents have changed since, the plan must not
            be applied.
        documents: The wanted documents.
        people: Each new or changed user as a pair: the present record (None for a new user) and the wanted record.
        changes: The changes, for the operator.
    """

    stored: tuple[Document, ...]
    documents: tuple[Document, ...]
    people: tuple[tuple[User | None, User], ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def removes(self) -> bool:
        """Whether the plan removes anything."""
        return any(change.sign == "-" for change in self.changes)


def plan_of(
    stored: tuple[Document, ...],
    documents: tuple[Document, ...],
    people: Iterable[tuple[User | None, User]] = (),
    *,
    before: tuple[Document, ...] | None = None,
) -> Plan:
    """Compare stored and wanted settings, and return a plan.

    Args:
        stored: The present documents.
        documents: The wanted documents.
        people: Each user as a pair: the present record (None for a new user) and the wanted record. The plan omits
            unchanged users.
        before: The documents to compare with `documents` for the list of changes; None means `stored`.
    """
    changed_users = tuple((known, wanted) for known, wanted in people if known != wanted)
    changes = [*_documents(stored if before is None else before, documents), *map(_user, changed_users)]
    return Plan(stored, documents, changed_users, tuple(changes))


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


def _user(changed: tuple[User | None, User]) -> Change:
    known, wanted = changed
    if known is None:
        return Change("+", "user", wanted.email)
    return Change("~", "user", wanted.email, tuple(_lines(write_person(known), write_person(wanted))))


def _lines(was: Mapping[str, object], becomes: Mapping[str, object]) -> Iterator[str]:
    for word in sorted(was.keys() | becomes.keys()):
        old, new = was.get(word), becomes.get(word)
        if old == new:
            continue
        if word in _HIDDEN:
            yield f"{word}: {_count(old)} -> {_count(new)}" if word == SECRETS else f"{word}: changed"
        else:
            yield f"{word}: {_shown(old)} -> {_shown(new)}"


def _count(secrets: object) -> str:
    number = len(cast("list[object]", secrets or []))
    return f"{number or 'no'} secret{'' if number == 1 else 's'}"


def _shown(value: object) -> str:
    text = "(not set)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

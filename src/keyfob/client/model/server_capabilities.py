"""The server capability cache: what a server refuses to this client. Entries expire after a month."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from keyfob.errors import Malformed
from keyfob.protocol.fields import read_json
from keyfob.protocol.scope import Scope

MEMORY: Final = timedelta(days=30)
UNPUSHED: Final = "unpushed request"  # an authorization request that was not pushed (RFC 9126)
_SCOPE: Final = "scope "


@dataclass(frozen=True, slots=True)
class ServerCapabilities:
    """The time of the last refusal, by what was refused.

    That is the name of a flow, `scope NAME` for a scope that keyfob adds by itself, or `UNPUSHED`.
    """

    refused: Mapping[str, datetime] = field(default_factory=dict[str, datetime])

    @property
    def refused_scope(self) -> Scope:
        return Scope.of(name.removeprefix(_SCOPE) for name in self.refused if name.startswith(_SCOPE))

    def fresh(self, moment: datetime) -> ServerCapabilities:
        """Return it without expired entries, since a server's settings change."""
        return ServerCapabilities({what: when for what, when in self.refused.items() if moment - when < MEMORY})

    def with_refusals(self, refused: Iterable[str], moment: datetime) -> ServerCapabilities:
        return ServerCapabilities({**self.refused, **dict.fromkeys(refused, moment)})

    def without(self, refused: str) -> ServerCapabilities:
        return ServerCapabilities({other: when for other, when in self.refused.items() if other != refused})

    def write(self) -> bytes:
        return json.dumps({what: when.timestamp() for what, when in self.refused.items()}).encode() + b"\n"

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Parse the file; a damaged one counts as empty."""
        try:
            fields = read_json(raw, "learned")
            return cls({what: when for what in fields.values if (when := fields.optional_time(what)) is not None})
        except Malformed:
            return cls()


def scope_refusals(scope: Scope) -> tuple[str, ...]:
    """Return the entries for refused scope names."""
    return tuple(f"{_SCOPE}{name}" for name in sorted(scope.names))

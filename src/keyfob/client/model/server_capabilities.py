"""The server capability cache: the flows that a server refuses to this client. Entries expire after a month."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from keyfob.client.model.flow_names import INTERACTIVE_FLOWS, InteractiveFlow
from keyfob.errors import Malformed
from keyfob.protocol.fields import read_json

MEMORY: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ServerCapabilities:
    """The time of the last refusal, by flow."""

    refused: Mapping[InteractiveFlow, datetime] = field(default_factory=dict["InteractiveFlow", datetime])

    def fresh(self, moment: datetime) -> ServerCapabilities:
        """Return it without expired entries, since a server's settings change."""
        return ServerCapabilities({door: when for door, when in self.refused.items() if moment - when < MEMORY})

    def with_refusal(self, door: InteractiveFlow, moment: datetime) -> ServerCapabilities:
        return ServerCapabilities({**self.refused, door: moment})

    def without(self, door: InteractiveFlow) -> ServerCapabilities:
        return ServerCapabilities({other: when for other, when in self.refused.items() if other != door})

    def write(self) -> bytes:
        return json.dumps({door: when.timestamp() for door, when in self.refused.items()}).encode() + b"\n"

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Parse the file; a damaged one counts as empty."""
        try:
            fields = read_json(raw, "learned")
            return cls({door: when for door in INTERACTIVE_FLOWS if (when := fields.optional_time(door)) is not None})
        except Malformed:
            return cls()

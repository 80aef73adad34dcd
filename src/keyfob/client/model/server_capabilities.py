"""What a server has taught us: which ways to log in it refuses this program. Forgotten after a month."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from keyfob.client.model.flow_names import DOORS, Door
from keyfob.errors import Malformed
from keyfob.protocol.fields import read_json

MEMORY: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Learned:
    """By way to log in: when it was refused."""

    refused: Mapping[Door, datetime] = field(default_factory=dict["Door", datetime])

    def fresh(self, moment: datetime) -> Learned:
        """Without what was long ago: a tenant's settings change."""
        return Learned({door: when for door, when in self.refused.items() if moment - when < MEMORY})

    def with_refusal(self, door: Door, moment: datetime) -> Learned:
        """One more."""
        return Learned({**self.refused, door: moment})

    def without(self, door: Door) -> Learned:
        """As if it had never been refused."""
        return Learned({other: when for other, when in self.refused.items() if other != door})

    def write(self) -> bytes:
        """For a file."""
        return json.dumps({door: when.timestamp() for door, when in self.refused.items()}).encode() + b"\n"

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """From a file; what cannot be understood was never learned."""
        try:
            fields = read_json(raw, "learned")
            return cls({door: when for door in DOORS if (when := fields.optional_time(door)) is not None})
        except Malformed:
            return cls()

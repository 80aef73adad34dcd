"""Which login is meant: issuer, program, API and scopes, under a name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final, Self

from keyfob.client.source import Source
from keyfob.errors import Misuse
from keyfob.protocol.fields import read_json
from keyfob.protocol.scope import Scope

DEFAULT: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")


@dataclass(frozen=True, slots=True)
class Profile:
    """Settings of one login; no secret among them.

    Attributes:
        machine: Where the program's own secret or key lies, if it logs in as itself and not for a person.
    """

    name: str
    issuer: str
    client_id: str
    audience: str | None = None
    scope: Scope = Scope()
    machine: Source | None = None

    def __post_init__(self) -> None:
        """Check the name, which becomes a file's.

        Raises:
            Misuse: The name will not do, or the issuer or client id is empty.
        """
        check_name(self.name)
        if not self.issuer or not self.client_id:
            raise Misuse("a profile needs an issuer and a client id")

    def write(self) -> bytes:
        """For the settings file."""
        members = {
            "issuer": self.issuer,
            "client_id": self.client_id,
            "audience": self.audience,
            "scope": self.scope.write(),
            **({"machine": self.machine.write()} if self.machine else {}),
        }
        return json.dumps(members, indent=1).encode() + b"\n"

    @classmethod
    def read(cls, name: str, raw: bytes) -> Self:
        """From the settings file.

        Raises:
            Malformed: It is damaged.
            Misuse: A value is empty.
        """
        fields = read_json(raw, "profile")
        machine = fields.optional_text("machine")
        return cls(
            name,
            fields.text("issuer"),
            fields.text("client_id"),
            fields.optional_text("audience"),
            Scope.read(fields.optional_text("scope") or ""),
            None if machine is None else Source.read(machine),
        )


def check_name(name: str) -> None:
    """Refuse a name that could not be a file's.

    Raises:
        Misuse: It holds something other than letters, digits, dot, dash and underscore, or is too long.
    """
    if not _NAME.match(name):
        raise Misuse("a profile's name has letters, digits, dot, dash and underscore, at most 40")

"""Where a program's own secret or key lies; a profile keeps the place, never the thing (RFC 6749 §2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from keyfob.errors import Misuse

Kind = Literal["secret", "key"]
Place = Literal["env", "file"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a program's secret or private key lies: a variable of the environment, or a file."""

    kind: Kind
    place: Place
    name: str

    def write(self) -> str:
        """As one word, for the settings file."""
        return f"{self.kind}:{self.place}:{self.name}"

    @classmethod
    def read(cls, text: str) -> Self:
        """From the settings file.

        Raises:
            Misuse: It is not of the form `secret:env:NAME`.
        """
        kind, _, rest = text.partition(":")
        place, _, name = rest.partition(":")
        if kind not in {"secret", "key"} or place not in {"env", "file"} or not name:
            raise Misuse("where the program's secret lies is not of the form secret:env:NAME or key:file:PATH")
        return cls("secret" if kind == "secret" else "key", "env" if place == "env" else "file", name)

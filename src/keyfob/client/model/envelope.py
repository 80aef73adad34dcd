"""What a sealed file of the vault looks like: which key seals it, and the box. Versioned JSON."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Final, Self

from keyfob.errors import Malformed
from keyfob.protocol.fields import read_json

VERSION: Final = 2
_MARK: Final = b'"sealed"'


@dataclass(frozen=True, slots=True)
class Envelope:
    """A box that only its key opens.

    Attributes:
        key_id: Tells keys apart and says nothing about them, so that another key is not taken for damage.
        box: As `jose/sealed.py` makes it.
    """

    key_id: str
    box: bytes

    def write(self) -> bytes:
        """For the file."""
        sealed = base64.b64encode(self.box).decode("ascii")
        return json.dumps({"version": VERSION, "key": self.key_id, "sealed": sealed}).encode()

    @classmethod
    def find(cls, raw: bytes) -> Self | None:
        """The envelope in a file, or None where the file is not sealed.

        Raises:
            Malformed: It is damaged, or of a version that this program does not know.
        """
        if _MARK not in raw:
            return None
        fields = read_json(raw, "vault")
        if not fields.has("sealed"):
            return None
        if fields.values.get("version") != VERSION:
            raise Malformed("vault: written by another version of keyfob", field="version")
        try:
            return cls(fields.text("key"), base64.b64decode(fields.text("sealed"), validate=True))
        except (binascii.Error, ValueError):
            raise Malformed("vault: sealed is not base64", field="sealed") from None

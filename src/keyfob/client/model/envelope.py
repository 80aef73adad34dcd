"""The format of an encrypted vault entry: the key's id and the ciphertext, in versioned JSON."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Final, Self

from keyfob.client.model.file_version import check_version
from keyfob.errors import Malformed
from keyfob.protocol.fields import read_json

VERSION: Final = 2
_MARK: Final = b'"sealed"'


@dataclass(frozen=True, slots=True)
class Envelope:
    """An encrypted entry.

    Attributes:
        key_id: Identifies the key and reveals nothing about it, so that a wrong key is not reported as damage.
        ciphertext: The output of `jose.sealed.seal`.
    """

    key_id: str
    ciphertext: bytes

    def write(self) -> bytes:
        sealed = base64.b64encode(self.ciphertext).decode("ascii")
        return json.dumps({"version": VERSION, "key": self.key_id, "sealed": sealed}).encode()

    @classmethod
    def find(cls, raw: bytes) -> Self | None:
        """Return the envelope in a file, or None if the file is not encrypted.

        Raises:
            Malformed: It is damaged, or was written by another version.
        """
        if _MARK not in raw:
            return None
        fields = read_json(raw, "vault")
        if not fields.has("sealed"):
            return None
        check_version(fields, (VERSION,))
        try:
            return cls(fields.text("key"), base64.b64decode(fields.text("sealed"), validate=True))
        except (binascii.Error, ValueError):
            raise Malformed("vault: sealed is not base64", field="sealed") from None

"""The version of a file's format: a later one is left alone, and anything else that is unknown is damage."""

from __future__ import annotations

from collections.abc import Collection

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields


def check_version(fields: Fields, readable: Collection[int]) -> None:
    """Check the member `version`.

    Raises:
        Malformed: It is not one of `readable`. The error's field is "version" only if a later keyfob wrote the file.
    """
    version = fields.values.get("version")
    if isinstance(version, int) and not isinstance(version, bool):
        if version in readable:
            return
        if version > max(readable):
            raise Malformed(f"{fields.what}: written by another version of this program", field="version")
    raise Malformed(f"{fields.what}: its version is unknown")

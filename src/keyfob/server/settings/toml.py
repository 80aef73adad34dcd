"""Write tenant.toml, and find the line of a key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

from keyfob.errors import Misuse

Location = tuple[str | int, ...]  # such as ("applications", 0, "callbacks")


def write_toml(tables: Mapping[str, object]) -> str:
    """Return tables and arrays of tables as TOML.

    Raises:
        Misuse: A value has no form in TOML.
    """
    from tomlkit import dumps  # noqa: PLC0415  takes 60 ms, needs the extra `serve`, and is used only to print settings

    try:
        return dumps(tables)
    except ValueError:
        raise Misuse("there is a value that TOML cannot represent", hint="For example null.") from None


class Lines:
    """The lines of the keys of a valid TOML text, counted from 1.

    tomllib does not report the line of a key. But it can parse the beginning of the text alone, if this ends with a
    complete statement. The last statement of the shortest beginning that contains the key is the key's statement.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.replace("\r\n", "\n").split("\n")
        self._parsed = cache(self._parse)

    def of(self, location: Location) -> int:
        """Return the line of a location.

        If the text does not contain the location, return the line of the nearest table around it that the text
        contains. If there is none either, return 1.
        """
        end = len(self._lines)
        while location and not _has(self._parsed(end)[1], location):
            location = location[:-1]
        if not location:
            return 1
        without = 0  # the key is missing in the first `without` lines, and present in the first `end` lines
        while end - without > 1:
            middle = (without + end) // 2
            whole, tables = self._parsed(middle)
            without, end = (without, whole) if _has(tables, location) else (middle, end)
        return self._parsed(without)[0] + 1

    def _parse(self, number: int) -> tuple[int, dict[str, Any]]:
        """Parse the first lines, up to the last complete statement.

        Return the number of parsed lines and the tables.
        """
        while True:
            try:
                return number, tomllib.loads("\n".join(self._lines[:number]))
            except tomllib.TOMLDecodeError:
                number -= 1


def _has(inside: Any, location: Location) -> bool:  # noqa: ANN401  whatever TOML holds
    try:
        for part in location:
            inside = inside[part]
    except (LookupError, TypeError):
        return False
    return True

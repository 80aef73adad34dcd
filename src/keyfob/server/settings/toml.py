"""TOML 1.0, as far as tenant.toml goes: writing it, and finding the line where something stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

from keyfob.errors import Misuse

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_PART: Final = re.compile(r"""\s*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')\s*""")
_WIDEST: Final = 100
Place = tuple[str | int, ...]


def write_toml(tables: Mapping[str, object]) -> str:
    """Tables and arrays of tables, one paragraph each; what is inside them stands on one line where that is short."""
    loose = {name: value for name, value in tables.items() if not isinstance(value, dict) and not _is_tables(value)}
    parts = ["".join(_pairs(loose))] if loose else []
    for name, value in tables.items():
        if isinstance(value, dict):
            parts.append(f"[{write_key(name)}]\n" + "".join(_pairs(cast("dict[str, object]", value))))
        elif _is_tables(value):
            found = cast("list[dict[str, object]]", value)
            parts += [f"[[{write_key(name)}]]\n" + "".join(_pairs(one)) for one in found]
    return "\n".join(parts)


def _is_tables(value: object) -> bool:
    found = cast("list[object]", value) if isinstance(value, list) else []
    return bool(found) and all(isinstance(one, dict) for one in found)


def _pairs(table: Mapping[str, object]) -> Iterator[str]:
    for name, value in table.items():
        text = write_value(value)
        if isinstance(value, list) and len(text) > _WIDEST:
            lines = "".join(f"    {write_value(one)},\n" for one in cast("list[object]", value))
            text = f"[\n{lines}]"
        yield f"{write_key(name)} = {text}\n"


def write_key(name: str) -> str:
    """Quoted only if need be."""
    return name if _BARE.match(name) else write_value(name)


def write_value(value: object) -> str:
    """A value on one line.

    Raises:
        Misuse: TOML has no such thing.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case int() | float():
            return repr(value)
        case list():
            return f"[{', '.join(map(write_value, cast('list[object]', value)))}]"
        case dict():
            found = cast("dict[str, object]", value)
            inside = ", ".join(f"{write_key(name)} = {write_value(one)}" for name, one in found.items())
            return f"{{ {inside} }}" if inside else "{}"
        case _:
            raise Misuse("there is a value that TOML cannot say", hint="Such as null.")


class Lines:
    """On which line of a TOML text each thing stands; lines count from 1.

    tomllib says what a file holds, and not where. Only headers and the keys at the start of a line are known here: what
    is inside an inline table or a list is found at its key.
    """

    def __init__(self, text: str) -> None:
        """Look at every line once."""
        self._at: dict[Place, int] = {}
        self._counts: dict[Place, int] = {}
        inside: Place = ()
        for number, line in _statements(text):
            if line.startswith("["):
                inside = self._header(line, number)
            else:
                path = _path(line)
                for length in range(1, len(path) + 1):
                    self._at.setdefault((*inside, *path[:length]), number)

    def of(self, place: Place) -> int:
        """The line of that place, or of what it is in; 1 where nothing is known."""
        for length in range(len(place), 0, -1):
            found = self._at.get(place[:length])
            if found is not None:
                return found
        return 1

    def _header(self, line: str, number: int) -> Place:
        is_array = line.startswith("[[")
        place: Place = ()
        path = _path(line[2:] if is_array else line[1:])
        for at, part in enumerate(path):
            place = (*place, part)
            if is_array and at == len(path) - 1:
                self._counts[place] = self._counts.get(place, -1) + 1
                self._at.setdefault(place, number)
            if place in self._counts:
                place = (*place, self._counts[place])
        self._at.setdefault(place, number)
        return place


def _path(line: str) -> Place:
    """The dotted key that a line begins with."""
    path: list[str | int] = []
    at = 0
    while found := _PART.match(line, at):
        bare, quoted, literal = found.groups()
        path.append(bare or literal or _unquoted(quoted or ""))
        at = found.end()
        if line[at : at + 1] != ".":
            break
        at += 1
    return tuple(path)


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines on which something begins: none inside a list, an inline table or a text of several lines."""
    depth, quote = 0, ""
    for number, line in enumerate(text.split("\n"), start=1):
        start = line.strip()
        if not depth and not quote and start and not start.startswith("#"):
            yield number, start
        # A header's own brackets are closed on its line, so they need no care.
        depth, quote = _after(line, depth, quote)


def _after(line: str, depth: int, quote: str) -> tuple[int, str]:
    """How deep in brackets, and inside which quotes, the next line begins."""
    at = 0
    while at < len(line):
        if quote:
            if line[at] == "\\" and quote[0] == '"':
                at += 2
            elif line.startswith(quote, at):
                at, quote = at + len(quote), ""
            else:
                at += 1
            continue
        letter = line[at]
        if letter == "#":
            break
        if letter in "\"'":
            quote = letter * 3 if line.startswith(letter * 3, at) else letter
            at += len(quote)
            continue
        depth = max(0, depth + (letter in "[{") - (letter in "]}"))
        at += 1
    return depth, quote if len(quote) == 3 else ""

"""Write the TOML 1.0 of tenant.toml, and find the line of a key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

from keyfob.errors import Misuse

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_PART: Final = re.compile(r"""\s*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')\s*""")
_WIDEST: Final = 100
Location = tuple[str | int, ...]  # such as ("applications", 0, "callbacks")


def write_toml(tables: Mapping[str, object]) -> str:
    """Write tables and arrays of tables, each as a paragraph. Values are written on one line unless it is too long."""
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
    """Write a key, quoted only if necessary."""
    return name if _BARE.match(name) else write_value(name)


def write_value(value: object) -> str:
    """Write a value on one line.

    Raises:
        Misuse: TOML has no such value.
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
    """The lines of the keys of a TOML text, counted from 1.

    tomllib does not return lines. Only headers and keys at the start of a line are indexed. The content of an inline
    table or a list has the line of its key.
    """

    def __init__(self, text: str) -> None:
        self._at: dict[Location, int] = {}
        self._counts: dict[Location, int] = {}
        inside: Location = ()
        for number, line in _statements(text):
            if line.startswith("["):
                inside = self._header(line, number)
            else:
                path = _path(line)
                for length in range(1, len(path) + 1):
                    self._at.setdefault((*inside, *path[:length]), number)

    def of(self, location: Location) -> int:
        """Return the line of a location, or of the nearest enclosing one, or 1."""
        for length in range(len(location), 0, -1):
            found = self._at.get(location[:length])
            if found is not None:
                return found
        return 1

    def _header(self, line: str, number: int) -> Location:
        is_array = line.startswith("[[")
        location: Location = ()
        path = _path(line[2:] if is_array else line[1:])
        for at, part in enumerate(path):
            location = (*location, part)
            if is_array and at == len(path) - 1:
                self._counts[location] = self._counts.get(location, -1) + 1
                self._at.setdefault(location, number)
            if location in self._counts:
                location = (*location, self._counts[location])
        self._at.setdefault(location, number)
        return location


def _path(line: str) -> Location:
    """Return the dotted key at the start of a line."""
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
    """Yield the lines of headers and keys, without the lines inside a list, an inline table or a multi-line text."""
    depth, quote = 0, ""
    for number, line in enumerate(text.split("\n"), start=1):
        start = line.strip()
        if not depth and not quote and start and not start.startswith("#"):
            yield number, start
        # A header closes its brackets on its own line, so it does not change the depth.
        depth, quote = _after(line, depth, quote)


def _after(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Return the depth of brackets and the open quotes at the start of the next line."""
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

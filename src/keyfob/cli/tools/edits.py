"""Edits of other programs' settings files. `apply` adds lines of keyfob, and `undo` removes exactly these lines.

Both are pure functions of the file's text, which is None if there is no file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from keyfob.errors import Misuse

_NO_LINE_END: Final = " (after a line without an end)"


class SettingsEdit(Protocol):
    """An edit of one file."""

    def apply(self, text: str | None) -> str | None:
        """Return the text with keyfob's setting added; None if keyfob cannot edit this text.

        Raises:
            Misuse: The file already makes this setting without keyfob, or the lines that mark keyfob's block were
                changed.
        """
        ...

    def undo(self, text: str | None) -> str | None:
        """Return the text without keyfob's setting; None to delete the file."""
        ...

    def shown(self) -> list[str]:
        """Return the lines that the edit adds, for output. Other lines of the file could contain secrets."""
        ...


@dataclass(frozen=True, slots=True)
class MarkedBlock:
    """An edit that adds a block: lines between two comments, in a file whose comments begin with `#`.

    Attributes:
        name: The name in the two comments. An existing block with this name is replaced.
        lines: The lines between the two comments.
        after: The line after which a new block is inserted, or None for the end of the file.
        heading: If the file has no line `after`, these lines and then the block are added at the end.
        refuses: A line that makes the same setting as `lines`. If the file has such a line outside the block, the edit
            is refused.
        at_top: Whether a new block is inserted at the top of the file.
    """

    name: str
    lines: tuple[str, ...]
    after: re.Pattern[str] | None = None
    heading: tuple[str, ...] = ()
    refuses: re.Pattern[str] | None = None
    at_top: bool = False

    def apply(self, text: str | None) -> str | None:
        lines = (text or "").splitlines(keepends=True)
        end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
        found = self._find(lines)
        first, last = found or (len(lines), len(lines))
        others = lines[:first] + lines[last:]
        if self.refuses is not None and any(self.refuses.match(line) for line in others):
            raise Misuse("the file already has this setting, and keyfob did not write it", hint="Change it by hand.")
        if found is not None:
            mark, *inner = (line.rstrip("\r\n") for line in lines[first : last - 1])
            has_heading = bool(self.heading) and inner[: len(self.heading)] == [*self.heading]
            body = [mark, *self._body(has_heading=has_heading), self._end]
            return "".join([*lines[:first], *_ended(body, end), *lines[last:]])
        place = next((at for at, line in enumerate(lines, 1) if self.after and self.after.match(line)), None)
        has_heading = place is None
        place = (0 if self.at_top else len(lines)) if place is None else place
        body = self._body(has_heading=has_heading)
        is_open = 0 < place == len(lines) and not lines[-1].endswith("\n")
        block = [self._begin + (_NO_LINE_END if is_open else ""), *body, self._end]
        return "".join([*lines[:place], end if is_open else "", *_ended(block, end), *lines[place:]])

    def undo(self, text: str | None) -> str | None:
        if text is None:
            return None
        lines = text.splitlines(keepends=True)
        found = self._find(lines)
        if found is None:
            return text
        before = lines[: found[0]]
        if lines[found[0]].rstrip("\r\n").endswith(_NO_LINE_END) and before and found[1] == len(lines):
            before[-1] = before[-1].rstrip("\r\n")
        return "".join([*before, *lines[found[1] :]]) or None

    def shown(self) -> list[str]:
        return self._body(has_heading=True)

    def _body(self, *, has_heading: bool) -> list[str]:
        return [*(self.heading if has_heading else ()), *self.lines]

    @property
    def _begin(self) -> str:
        return f"# keyfob: begin {self.name}"

    @property
    def _end(self) -> str:
        return f"# keyfob: end {self.name}"

    def _find(self, lines: list[str]) -> tuple[int, int] | None:
        """Return the index of the block's first line and the index after its last line; None if there is no block.

        Raises:
            Misuse: One of the two comments is missing.
        """
        texts = [line.rstrip("\r\n").removesuffix(_NO_LINE_END) for line in lines]
        begins = [at for at, text in enumerate(texts) if text == self._begin]
        ends = [at for at, text in enumerate(texts) if text == self._end]
        if not begins and not ends:
            return None
        if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
            raise Misuse(
                f"the lines of keyfob in the file were changed: {self._begin}",
                hint="Remove them by hand, and try again.",
            )
        return begins[0], ends[0] + 1


@dataclass(frozen=True, slots=True)
class ListedUser:
    """An edit that adds an item to the list of users in a kubeconfig.

    The item is found by its name. Comments could not mark it, since kubectl removes comments.

    Attributes:
        name: The name of the user, which no other program uses.
        lines: The lines of the item. The first line contains the name.
    """

    name: str
    lines: tuple[str, ...]

    def apply(self, text: str | None) -> str | None:
        lines = (text or "").splitlines()
        if any(line.lstrip().startswith("{") for line in lines[:1]):
            return None  # the file is JSON
        at = next((at for at, line in enumerate(lines) if re.match("users:", line)), None)
        if at is None:
            return _like(text, [*lines, "users:", *self.lines])
        if not re.fullmatch(r"users:\s*(null|\[\]|~)?\s*(#.*)?", lines[at]):
            return None  # the whole list is in one line
        lines[at] = re.sub(r"users:\s*(null|\[\]|~)", "users:", lines[at])
        found = self._find(lines)
        first, last = found or (at + 1, at + 1)
        indent = _indent_of(lines[at + 1 :])
        return _like(text, [*lines[:first], *(f"{indent}{line}" for line in self.lines), *lines[last:]])

    def undo(self, text: str | None) -> str | None:
        lines = (text or "").splitlines()
        found = self._find(lines)
        if found is None:
            return text
        left = [*lines[: found[0]], *lines[found[1] :]]
        if not self._has_users(left):
            left = ["users: null" if re.match("users:", line) else line for line in left]
        return None if left == ["users: null"] else _like(text, left)

    def shown(self) -> list[str]:
        return ["users:", *self.lines]

    def _find(self, lines: list[str]) -> tuple[int, int] | None:
        """Return the index of the item's first line and the index after its last line; None if there is no item."""
        start = re.compile(rf"( *)- name: [\"']?{re.escape(self.name)}[\"']?\s*")
        is_users = False
        for at, line in enumerate(lines):
            is_users = line.startswith("users:") if re.match(r"[a-zA-Z]", line) else is_users
            if is_users and (found := start.fullmatch(line)):
                inner = re.compile(rf"{found[1]}  |\s*$")
                return at, next((end for end in range(at + 1, len(lines)) if not inner.match(lines[end])), len(lines))
        return None

    def _has_users(self, lines: list[str]) -> bool:
        at = next(at for at, line in enumerate(lines) if re.match("users:", line))
        return any(line.lstrip().startswith("- ") for line in lines[at + 1 : at + 2])


@dataclass(frozen=True, slots=True)
class JsonMember:
    """An edit that sets one member of an object in a JSON file.

    Attributes:
        section: The name of the object.
        name: The name of the member.
        value: The value of the member.
    """

    section: str
    name: str
    value: str

    def apply(self, text: str | None) -> str | None:
        whole = _read_json(text)
        section = _object(whole.get(self.section, {}))
        if section.get(self.name) == self.value:
            return text
        if self.name in section:
            raise Misuse(f"{self.section} has another value for {self.name}", hint="Change it by hand.")
        return _write_json({**whole, self.section: {**section, self.name: self.value}}, text)

    def undo(self, text: str | None) -> str | None:
        whole = _read_json(text)
        section = dict(_object(whole.get(self.section, {})))
        if section.get(self.name) != self.value:
            return text
        del section[self.name]
        left = {name: value for name, value in whole.items() if name != self.section or section}
        left = {**left, **({self.section: section} if section else {})}
        return _write_json(left, text) if left else None

    def shown(self) -> list[str]:
        return [json.dumps({self.section: {self.name: self.value}})]


@dataclass(frozen=True, slots=True)
class LauncherFile:
    """An edit that writes a two-line program, which starts keyfob.

    The tool starts this program, because its settings have no place for the arguments that keyfob needs.
    """

    command: str

    @staticmethod
    def is_own(path: Path) -> bool:
        """Whether keyfob has written this program."""
        return _MADE_BY.encode() in path.read_bytes()[:1000]

    def apply(self, text: str | None) -> str | None:
        if text is not None and _MADE_BY not in text:
            raise Misuse("a program of this name already exists, and keyfob did not write it")
        return "\n".join([*self.shown(), ""])

    def undo(self, text: str | None) -> str | None:
        return text if text is not None and _MADE_BY not in text else None

    def shown(self) -> list[str]:
        return ["#!/bin/sh", _MADE_BY, f'exec {self.command} "$@"']


_MADE_BY: Final = "# keyfob: made by keyfob setup"


def _ended(lines: list[str], end: str) -> list[str]:
    return [f"{line}{end}" for line in lines]


def _like(before: str | None, lines: list[str]) -> str:
    """Return the lines as text, with the line ends of the text `before`. If there is no such text, use LF."""
    end = "\r\n" if before and "\r\n" in before else "\n"
    return end.join([*lines, *([] if before and not before.endswith("\n") else [""])])


def _indent_of(lines: list[str]) -> str:
    """Return the indentation of a YAML list's items, taken from the line after the list's name."""
    first = lines[0] if lines else ""
    return first[: len(first) - len(first.lstrip())] if first.lstrip().startswith("- ") else ""


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Misuse("the file is not a JSON object as expected", hint="Change it by hand.")
    return cast("dict[str, object]", value)


def _read_json(text: str | None) -> Mapping[str, object]:
    try:
        return _object(json.loads(text)) if text and text.strip() else {}
    except (ValueError, RecursionError):
        return _object(None)


def _write_json(members: Mapping[str, object], before: str | None) -> str:
    """Return the members as JSON, with the indentation and the final line end of the text `before`.

    Without such a text, indent with tabs and add a final line end.
    """
    found = re.search(r'^([ \t]+)"', before or "", re.MULTILINE)
    indent = found[1] if found else ("\t" if not before or "\n" in before.strip() else None)
    text = json.dumps(members, indent=indent, ensure_ascii=False)
    return text + ("" if before and not before.endswith("\n") else "\n")

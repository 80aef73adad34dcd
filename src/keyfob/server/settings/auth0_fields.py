"""Read an object of an Auth0 export member by member, and report each member that is not imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import cast

from keyfob.errors import Misuse
from keyfob.protocol.address import is_web_url
from keyfob.server.settings.field_types import write_span
from keyfob.server.settings.schema import Table

Leave = Callable[[str, str], None]  # the member that is not imported, and the reason


def texts(value: object) -> list[str]:
    """Return the strings of a list, or [] if the value is not a list."""
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [one for one in found if isinstance(one, str)]


def records(inside: Mapping[str, object], name: str, leave: Leave) -> list[Table]:
    """Return the objects in the list `inside[name]`; [] if there is no such member."""
    value = inside.get(name)
    if value is None:
        return []
    found = cast("list[object]", value) if isinstance(value, list) else [value]
    tables = [cast(Table, one) for one in found if isinstance(one, dict)]
    if len(tables) < len(found):
        leave(name, "the file is not an export of Auth0")
    return tables


class Auth0Fields:
    """The members of one object. Each method that reads a member also removes it.

    Attributes:
        what: The name of the object in messages.
        leave: The function that reports a member that is not imported.
    """

    def __init__(self, members: Mapping[str, object], what: str, leave: Leave) -> None:
        self.what = what
        self.leave = leave
        self._members = {str(name): value for name, value in members.items()}

    def take(self, name: str) -> object:
        return self._members.pop(name, None)

    def text(self, name: str) -> str | None:
        """Return the value of a member if it is a string, else None. Report a value that is not a string."""
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            self.note(name, "it is not a string")
        return value if isinstance(value, str) else None

    def table(self, name: str) -> Table:
        """Return the value of a member if it is an object, else {}."""
        value = self.take(name)
        return (
            {str(key): one for key, one in cast("dict[object, object]", value).items()}
            if isinstance(value, dict)
            else {}
        )

    def urls(self, name: str) -> list[str]:
        """Return those strings of a list that are web addresses and contain no placeholder (`*`).

        If the list contains any other string, report this once.
        """
        found = texts(self.take(name))
        usable = [url for url in found if is_web_url(url) and "*" not in url]
        if len(usable) < len(found):
            self.note(name, "one is not a web address, or has a placeholder")
        return usable

    def span_in(self, table: Table, word: str, name: str, *, unit: int = 1, most: int = 0) -> None:
        """Write the member `name` to `table[word]` as a duration. If the member is absent, write nothing.

        An invalid value is reported and not written.

        Args:
            table: The table to write to.
            word: The key in the table.
            name: The name of the member.
            unit: The unit of the member's number, in seconds.
            most: The longest duration, in seconds; 0 if there is no maximum. A longer one is reported and shortened.
        """
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**9:
            if value is not None:
                self.note(name, "it is not a number of seconds")
            return
        if value == 0 and word != "leeway":
            self.note(name, "a lifetime of zero is not supported")
            return
        seconds = value * unit
        if most and seconds > most:
            self.note(name, f"it is longer than {write_span(timedelta(seconds=most))}, the maximum")
            seconds = most
        table[word] = write_span(timedelta(seconds=seconds))

    def is_possible(self, name: str, check: Callable[[], None]) -> bool:
        """Return whether a check passes. If it fails, report the reason."""
        try:
            check()
        except Misuse as wrong:
            self.note(name, wrong.message.partition(": ")[2] or wrong.message)
            return False
        return True

    def note(self, name: str, why: str) -> None:
        """Report a member that is not imported, or is imported with a change."""
        self.leave(f"{self.what}: {name}", why)

    def drop(self, *names: str) -> None:
        """Skip members that have no meaning for keyfob, or that other code reads."""
        for name in names:
            self.take(name)

    def leave_the_rest(self) -> None:
        """Report each member that was not read, unless it is empty."""
        for name, value in self._members.items():
            if value not in (None, "", False, [], {}):
                self.note(name, "keyfob has nothing like it")
        self._members.clear()

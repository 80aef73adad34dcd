"""Read and follow the audit log: its current file, the renamed files, and the table of the store."""

from __future__ import annotations

import contextlib
import heapq
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, cast

from keyfob.errors import StoreUnavailable
from keyfob.server.audit_event import Event
from keyfob.server.io.audit import OLD_FILES, old_file
from keyfob.server.records import LoggedEvent

POLL_S: Final = 0.5
_PAGE: Final = 1000
Fetch = Callable[[int, int], tuple[LoggedEvent, ...]]


def read_log(
    path: Path, fetch: Fetch, since: datetime | None, wait: Callable[[], None] | None = None
) -> Iterator[Event]:
    """Yield the events of the files and of the table, oldest first.

    Args:
        path: The file, which may not exist.
        fetch: A function that returns events of the table, given the number of the last event that was read and the
            greatest number of events to return.
        since: The time of the earliest event to yield; None for all events.
        wait: A function that waits a while. If `wait` is given, the iterator never ends: after the last event, it calls
            `wait` and yields the new events.
    """
    files, table = _Files(path, since), _Table(fetch)
    with contextlib.closing(files):
        while True:
            merged = heapq.merge(files.new(), table.new(), key=_date)
            yield from (event for event in merged if since is None or _time(event) >= since)
            if wait is None:
                return
            wait()


class _Files:
    """The log file and the renamed older files. Each event is read once."""

    def __init__(self, path: Path, since: datetime | None) -> None:
        self._path = path
        self._since = since
        self._open: BinaryIO | None = None
        self._rest = b""

    def new(self) -> Iterator[Event]:
        for file in self._unread():
            for line in iter(file.readline, b""):
                self._rest += line
                if line.endswith(b"\n"):
                    whole, self._rest = self._rest, b""
                    yield from _event_of(whole)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()

    def _unread(self) -> Iterator[BinaryIO]:
        """Yield the open log file, and then each newer log file."""
        last = OLD_FILES
        if self._open is not None:
            yield self._open
            found = self._number_of(self._open)
            if found == 0:
                return
            last = OLD_FILES if found is None else found - 1
            yield self._open  # again, for lines that were written after the first read
            self._open.close()
            self._open = None
        for number in range(last, -1, -1):
            with contextlib.suppress(FileNotFoundError):
                path = old_file(self._path, number)
                if number and self._since is not None and path.stat().st_mtime < self._since.timestamp():
                    continue
                self._rest = b""
                file = path.open("rb")
                yield file
                if number:
                    file.close()
                else:
                    self._open = file

    def _number_of(self, file: BinaryIO) -> int | None:
        """Return how often a file was renamed since it was opened, or None if it was deleted."""
        for number in range(OLD_FILES + 1):
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(old_file(self._path, number).stat(), os.fstat(file.fileno())):
                    return number
        return None


class _Table:
    """The table of the log. Each call of `new` yields the events whose number is greater than the last number read."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._last = 0

    def new(self) -> Iterator[Event]:
        while True:
            try:
                page = self._fetch(self._last, _PAGE)
            except StoreUnavailable:
                return  # the next call yields the rest
            for one in page:
                self._last = one.number
                yield from _event_of(one.event)
            if len(page) < _PAGE:
                return


def _event_of(line: str | bytes) -> Iterator[Event]:
    """Yield the event of a line. Yield nothing if a crash left the line incomplete."""
    try:
        event = json.loads(line)
        _time(event)
    except (ValueError, TypeError, KeyError):
        return
    yield cast("Event", event)


def _date(event: Event) -> str:
    return str(event["date"])


def _time(event: Event) -> datetime:
    return datetime.fromisoformat(str(event["date"])).astimezone(UTC)

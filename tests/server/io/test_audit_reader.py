"""The audit log is read again in order: files that were renamed, a table that grows, and what was cut off."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from keyfob.errors import StoreUnavailable
from keyfob.server.audit_event import Event, write_event
from keyfob.server.io.audit import FILE_NAME, FileSink
from keyfob.server.io.audit_reader import read_log
from keyfob.server.records import LoggedEvent
from keyfob.testing.fake_time import NOON


class Ended(Exception):
    """The reader has waited as often as a test wants."""


class Table:
    """The table, without a store. `fails`: it cannot be read now."""

    def __init__(self) -> None:
        self.rows: list[LoggedEvent] = []
        self.fails = False

    def add(self, second: int) -> None:
        event = event_at(second)
        self.rows.append(LoggedEvent(len(self.rows) + 1, NOON, "s", "", json.dumps(event)))

    def fetch(self, after: int, most: int) -> tuple[LoggedEvent, ...]:
        if self.fails:
            raise StoreUnavailable("gone")
        return tuple(row for row in self.rows if row.number > after)[:most]


def event_at(second: int) -> Event:
    return write_event("s", NOON + timedelta(seconds=second), str(second), {})


def read(path: Path, table: Table, since: datetime | None = None, *steps: Callable[[], None]) -> list[int]:
    """Read, run each step when the reader waits, and end it then."""
    left = iter(steps)

    def wait() -> None:
        step = next(left, None)
        if step is None:
            raise Ended
        step()

    found: list[int] = []
    with contextlib.suppress(Ended):
        events = read_log(path, table.fetch, since, wait if steps else None)
        found.extend(int(str(event["log_id"])) for event in events)
    return found


def test_renamed_files_the_newest_and_the_table_are_one_log(tmp_path: Path) -> None:
    """[FS-18]."""
    path, table = tmp_path / FILE_NAME, Table()
    with contextlib.closing(FileSink(path, most_bytes=400)) as log:
        for second in range(0, 40, 2):
            log.write_now([event_at(second)])
    for second in range(1, 40, 2):
        table.add(second)
    assert len(list(tmp_path.iterdir())) > 3
    for file in tmp_path.iterdir():
        os.utime(file, times=((NOON + timedelta(seconds=40)).timestamp(),) * 2)
    assert read(path, table) == list(range(40))
    assert read(path, table, NOON + timedelta(seconds=30)) == list(range(30, 40))


def test_no_event_is_missed_or_read_twice_while_the_file_is_renamed(tmp_path: Path) -> None:
    """[FS-18]: once, several times between two looks, and when a tenant starts again."""
    path, table = tmp_path / FILE_NAME, Table()

    def write(*seconds: int, most_bytes: int = 10_000) -> Callable[[], None]:
        def work() -> None:
            with contextlib.closing(FileSink(path, most_bytes)) as log:
                for second in seconds:
                    log.write_now([event_at(second)])

        return work

    steps = (
        write(0, 1),
        write(2, most_bytes=1),
        write(3),
        write(4, 5, 6, most_bytes=1),
        lambda: None,
        write(7, 8, most_bytes=1),
        write(9),
    )
    assert read(path, table, None, *steps) == list(range(10))


def test_a_table_that_cannot_be_read_for_a_while_is_read_later(tmp_path: Path) -> None:
    """[FS-18]."""
    table = Table()
    table.add(0)

    def fail() -> None:
        table.fails = True
        table.add(1)

    def recover() -> None:
        table.fails = False
        table.add(2)

    assert read(tmp_path / FILE_NAME, table, None, fail, recover) == [0, 1, 2]


def test_half_a_line_is_read_when_it_is_whole_and_a_cut_off_one_is_left_out(tmp_path: Path) -> None:
    """[FS-18]: as a kill -9 leaves it."""
    path, line = tmp_path / FILE_NAME, json.dumps(event_at(1)) + "\n"
    path.write_text(f'{{"log_id": "0", "da\n["no event"]\n{line[:20]}', encoding="utf-8")

    def complete() -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(line[20:])

    assert read(path, Table(), None, complete) == [1]

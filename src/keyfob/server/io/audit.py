"""The audit log: a bounded queue of events, and the sinks: a file, standard output, or the store.

A request only adds an event to the queue. If the log cannot be written, requests are still answered, and their events
stay in the queue. If the queue is full, new events are lost and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, Literal, Protocol

from keyfob.errors import KeyfobError, Misuse
from keyfob.server.audit_event import Event, log_id_of, write_event, write_line
from keyfob.server.ports import Audit, Store

if sys.platform != "win32":
    import fcntl

FILE_NAME: Final = "audit.jsonl"
OLD_FILES: Final = 9
MOST_WAITING: Final = 10_000
_MOST_BYTES: Final = 10 * 1024 * 1024
_BATCH: Final = 500
_WRITE_AFTER_S: Final = 0.1
_RETRY_AFTER_S: Final = 2.0
_FLUSH_S: Final = 5.0
_LOG: Final = logging.getLogger("keyfob.audit")
_SERVE_LOG: Final = logging.getLogger("keyfob.serve")
Place = Path | Literal["-", "off", "table"]


def audit_log(event: Event) -> None:
    """Write an event to the logger `keyfob.audit`."""
    if _LOG.isEnabledFor(logging.INFO):
        _LOG.info("%s", write_line(event))


class Sink(Protocol):
    """The destination of events."""

    async def write(self, events: Sequence[Event]) -> None:
        """Write events.

        Raises:
            OSError: No event was written.
            StoreUnavailable: The store cannot be used, and no event was written.
        """
        ...

    def close(self) -> None: ...


class AuditQueue:
    """A queue of audit events. The queue writes events in batches, after the requests that caused the events.

    Attributes:
        lost: The number of events that were not written.
    """

    def __init__(self, sink: Sink, most: int = MOST_WAITING) -> None:
        """Create a queue for at most `most` events."""
        self.lost: int = 0
        self._sink = sink
        self._most = most
        self._waiting: deque[Event] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None  # the event loop that will write the next batch
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._untold = 0
        self._has_failed = False
        self._is_flushing = False

    def __call__(self, event: Event) -> None:
        if len(self._waiting) >= self._most:
            self._lose(1)
            return
        self._waiting.append(event)
        if self._loop is None or self._loop.is_closed():
            self._write_after(_WRITE_AFTER_S)

    async def flush(self) -> None:
        """Write all queued events. After five seconds, stop, even if events are left in the queue."""
        self._is_flushing = True
        if self._timer is not None:  # a timer that stays set would write the same events again
            self._timer.cancel()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_S):  # wait_for loses a cancellation, and so a Ctrl-C, until 3.12
                    await self._flush()
        finally:
            self._is_flushing, self._loop = False, None

    async def close(self) -> None:
        """Write all queued events, and close the sink. Events that cannot be written are lost."""
        await self.flush()
        if self._waiting:
            self._lose(len(self._waiting))
            self._waiting.clear()
        self._sink.close()

    async def _flush(self) -> None:
        running = self._writing
        if running is not None and not running.done() and running.get_loop() is asyncio.get_running_loop():
            await running
        await self._write_all()

    def _write_after(self, seconds: float) -> None:
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:  # a later event or `flush` writes this event
            return
        self._timer = self._loop.call_later(seconds, self._begin)

    def _begin(self) -> None:
        if self._is_flushing:
            return
        self._writing = asyncio.ensure_future(self._write_due())

    async def _write_due(self) -> None:
        has_room = await self._write_all()
        self._loop = None
        if self._waiting:
            self._write_after(_WRITE_AFTER_S if has_room else _RETRY_AFTER_S)

    async def _write_all(self) -> bool:
        """Write events until the queue is empty. Return False if an event could not be written."""
        while self._waiting:
            batch = list(islice(self._waiting, _BATCH))
            untold = self._untold
            told = [self._told(), *batch] if untold else batch
            try:
                await self._sink.write(told)
            except (OSError, KeyfobError) as problem:
                if not self._has_failed:
                    _SERVE_LOG.warning(
                        "the audit log could not be written (%s); events are queued", type(problem).__name__
                    )
                self._has_failed = True
                return False
            self._untold, self._has_failed = self._untold - untold, False
            for _ in batch:
                self._waiting.popleft()
        return True

    def _lose(self, number: int) -> None:
        if not self._untold:
            _SERVE_LOG.warning("the queue of the audit log is full; events are lost and counted")
        self.lost += number
        self._untold += number

    def _told(self) -> Event:
        now = datetime.now(UTC)
        return write_event("keyfob_lost", now, log_id_of(now, "", self.lost), {"description": f"{self._untold} events"})


class LinesSink:
    """A sink that writes events as lines of JSON to a file descriptor, such as standard output."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""  # the rest of a line that was only partly written

    async def write(self, events: Sequence[Event]) -> None:
        await _in_thread(partial(self.write_now, events))

    def write_now(self, events: Sequence[Event]) -> None:
        """Write events, and block until they are written.

        Raises:
            OSError: No event was written.
        """
        self._write_rest()
        self._rest = "".join([f"{write_line(event)}\n" for event in events]).encode("utf-8", "replace")
        before = len(self._rest)
        try:
            self._write_rest()
        except OSError:
            if len(self._rest) == before:
                self._rest = b""
                raise
            # Only some events were written. The next call begins with the rest.

    def close(self) -> None:
        """Do nothing, since other code uses the file descriptor too."""

    def _write_rest(self) -> None:
        while self._rest:
            self._rest = self._rest[os.write(self._descriptor, self._rest) :]


class FileSink(LinesSink):
    """A sink that writes events as lines of JSON to a file that only its owner may read.

    At 10 MiB, the file is renamed and a new file begins. Nine renamed files are kept.
    """

    def __init__(self, path: Path, most_bytes: int = _MOST_BYTES) -> None:
        """Open or create the file.

        Raises:
            Misuse: The file cannot be written.
        """
        self._path = path
        self._most_bytes = most_bytes
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            super().__init__(self._open())
        except OSError as problem:
            hint = "Choose another with --audit FILE, or none with --audit off."
            raise Misuse(f"the audit log {path} cannot be written: {problem.strerror}", hint=hint) from None

    def write_now(self, events: Sequence[Event]) -> None:
        self._reopen_if_renamed()
        super().write_now(events)
        found = os.fstat(self._descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_size >= self._most_bytes:
            self._rotate()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _open(self) -> int:
        # An attacker's symbolic link is not followed. Whatever the umask, only the owner can read the file.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self._path, flags, 0o600)
        if os.name == "posix" and stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)
        return descriptor

    def _reopen_if_renamed(self) -> None:
        """Open the file again if another process, such as logrotate, has renamed or deleted it."""
        if not self._is_current():
            self._replace(self._open())

    def _is_current(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        return False

    def _rotate(self) -> None:
        with contextlib.suppress(OSError):  # then the log continues in the same file
            if sys.platform != "win32":  # the lock lets only one process rename the file; closing the file unlocks it
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            numbers = range(OLD_FILES - 1, -1, -1) if self._is_current() else ()
            for number in numbers:
                if old_file(self._path, number).exists():
                    old_file(self._path, number).replace(old_file(self._path, number + 1))
            self._replace(self._open())

    def _replace(self, descriptor: int) -> None:
        os.close(self._descriptor)
        self._descriptor = descriptor


class TableSink:
    """A sink that writes events to a table in the store, which all nodes share."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, events: Sequence[Event]) -> None:
        await self._store.write(lambda transaction: transaction.log_events(events))

    def close(self) -> None:
        """Do nothing, since other code closes the store."""


def old_file(path: Path, number: int) -> Path:
    """Return the name of a log file that was renamed `number` times."""
    return path.with_name(f"{path.name}.{number}") if number else path


def open_audit(place: Audit | Place, store: Store) -> Audit:
    """Open the audit log at a destination. If `place` is already a function that logs events, return the function.

    Raises:
        Misuse: The file cannot be written.
    """
    match place:
        case "off":
            return _drop
        case "-":
            return AuditQueue(LinesSink(sys.stdout.fileno()))
        case "table":
            return AuditQueue(TableSink(store))
        case Path():
            return AuditQueue(FileSink(place))
        case _:
            return place


def place_of(text: str, folder: Path, database: str = "") -> Place:
    """Parse the destination of the audit log, as given on a command line.

    `-`, `off` and `table` are returned as they are. "" means the table if a database is given, else the file
    `audit.jsonl` in the folder. Any other text is the path of a file.
    """
    match text:
        case "-" | "off" | "table":
            return text
        case "":
            return "table" if database else folder / FILE_NAME
        case _:
            return Path(text)


async def _in_thread(job: Callable[[], None]) -> None:
    """Run a blocking job on a thread that does not keep the process alive."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def work() -> None:
        problem: OSError | None = None
        try:
            job()
        except OSError as raised:
            problem = raised
        with contextlib.suppress(RuntimeError):  # the event loop was closed
            loop.call_soon_threadsafe(settle, problem)

    def settle(problem: OSError | None) -> None:
        if done.done():
            return
        if problem is None:
            done.set_result(None)
        else:
            done.set_exception(problem)

    threading.Thread(target=work, name="keyfob-audit", daemon=True).start()
    await done


def _drop(event: Event) -> None:
    del event

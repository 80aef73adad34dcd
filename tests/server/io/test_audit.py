"""The audit log of `keyfob serve`: on by default, private, rotated, off the path of requests, in file or table."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keyfob.cli.commands.serve import configure
from keyfob.cli.parser import Parser
from keyfob.errors import Misuse, StoreUnavailable
from keyfob.protocol.http import form_request
from keyfob.server.audit_event import CODES, write_event
from keyfob.server.io.audit import FILE_NAME, AuditQueue, FileSink, Place, TableSink, open_audit, place_of
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.io.tenant import Tenant
from keyfob.server.ports import Transaction
from keyfob.server.records import LoggedEvent
from keyfob.server.start import ready_config
from keyfob.testing.fake_time import NOON
from keyfob.testing.pair import Pair
from keyfob.testing.scene import EMAIL, ISSUER, Scene

EVENT = write_event("fp", NOON, "1", {"user_name": "Zoë\n"})


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(place: Place, *events: Mapping[str, object], store: SqliteStore | None = None) -> AuditQueue | None:
    """Write events as a tenant does, and close the log."""

    async def work() -> AuditQueue | None:
        audit = open_audit(place, store or SqliteStore())
        for event in events:
            audit(event)
        if not isinstance(audit, AuditQueue):
            return None
        await audit.close()
        return audit

    return asyncio.run(work())


def in_table(store: SqliteStore, after: int = 0) -> tuple[LoggedEvent, ...]:
    return asyncio.run(store.read(lambda transaction: transaction.logged_events(after, 1000)))


def test_the_log_is_on_unless_it_is_switched_off(tmp_path: Path) -> None:
    """[FS-18]: the default of the command is a file in the tenant's folder."""
    parser = Parser("serve")
    configure(parser)
    for place in (parser.parse_args([]).audit, "off", str(tmp_path / "own" / "log")):
        write(place_of(place, tmp_path), EVENT)
    assert {one.name for one in tmp_path.iterdir()} == {FILE_NAME, "own"}
    assert lines(tmp_path / FILE_NAME) == [EVENT]
    assert lines(tmp_path / "own" / "log") == [EVENT]


def test_with_a_shared_database_the_log_is_its_table_unless_another_is_named(tmp_path: Path) -> None:
    """[FS-18]: since all nodes are one tenant."""
    assert place_of("", tmp_path, "postgresql://somebody@127.0.0.1/tenant") == "table"
    assert place_of("-", tmp_path, "postgresql://somebody@127.0.0.1/tenant") == "-"


def test_a_dash_is_standard_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """[FS-18]."""
    write(place_of("-", tmp_path), EVENT)
    assert json.loads(capfd.readouterr().out) == EVENT
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_reads_the_log_and_its_old_files(tmp_path: Path) -> None:
    """[FS-18]: for any umask, and if the file was there before with another mode."""
    path = tmp_path / FILE_NAME
    path.touch(mode=0o644)
    before = os.umask(0)
    try:
        with contextlib.closing(FileSink(path, most_bytes=200)) as log:
            for _ in range(60):
                log.write_now([EVENT])
    finally:
        os.umask(before)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 10, "nine old files and the newest"
    assert {mode(one) for one in files} == {0o600}
    assert max(one.stat().st_size for one in files) <= 200 + len(json.dumps(EVENT))


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """[FS-18]."""
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misuse, match="cannot be written"):
        FileSink(tmp_path / FILE_NAME)
    assert not (tmp_path / "elsewhere").exists()


def test_a_log_that_cannot_be_written_stops_no_login(caplog: pytest.LogCaptureFixture) -> None:
    """[FS-18]: /dev/full stands for a full disk; the warning repeats nothing of the event."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    mode_before = mode(Path("/dev/full"))
    queue = write(Path("/dev/full"), EVENT)
    assert queue is not None
    assert queue.lost == 1
    assert mode(Path("/dev/full")) == mode_before
    assert "could not be written" in caplog.text
    assert "Zoë" not in caplog.text


def test_a_file_that_another_program_has_renamed_is_begun_again(tmp_path: Path) -> None:
    """[FS-18]: as logrotate does it; nothing goes on into the renamed file."""
    path = tmp_path / FILE_NAME
    with contextlib.closing(FileSink(path)) as log:
        log.write_now([EVENT])
        path.replace(tmp_path / "moved")
        log.write_now([EVENT, EVENT])
        path.unlink()
        log.write_now([EVENT])
    assert len(lines(tmp_path / "moved")) == 1
    assert len(lines(path)) == 1


class Broken:
    """A sink that fails until it is mended."""

    def __init__(self, problem: Exception) -> None:
        self.written: list[Mapping[str, object]] = []
        self.problem: Exception | None = problem

    async def write(self, events: Sequence[Mapping[str, object]]) -> None:
        if self.problem is not None:
            raise self.problem
        self.written += events

    def close(self) -> None: ...


@pytest.mark.parametrize("problem", [OSError("full"), StoreUnavailable("gone")])
def test_events_wait_for_a_log_that_is_broken_and_what_is_lost_is_counted(
    problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """[FS-18]: none is written twice or out of order, and the log itself says what it lacks."""
    sink = Broken(problem)
    queue = AuditQueue(sink, most=3)
    events = [{**EVENT, "log_id": str(number)} for number in range(5)]

    async def work() -> None:
        for event in events:
            queue(event)
        await queue.flush()
        assert (sink.written, queue.lost) == ([], 2)
        sink.problem = None
        await queue.flush()
        queue({**EVENT, "log_id": "last"})
        await queue.close()

    asyncio.run(work())
    assert [event["log_id"] for event in sink.written[1:]] == ["0", "1", "2", "last"]
    assert (sink.written[0]["type"], sink.written[0]["description"]) == ("keyfob_lost", "2 events")
    assert len([line for line in caplog.messages if "the queue of the audit log is full" in line]) == 1, "a flood is one warning"


def test_an_event_is_written_soon_without_another_one(tmp_path: Path) -> None:
    """[FS-18]: and while requests are answered on the same loop."""
    sink = Broken(OSError())
    sink.problem = None
    written = asyncio.Event()

    class Telling(Broken):
        async def write(self, events: Sequence[Mapping[str, object]]) -> None:
            sink.written += events
            written.set()

    async def work() -> None:
        AuditQueue(Telling(OSError()))(EVENT)
        await asyncio.wait_for(written.wait(), 5)

    asyncio.run(work())
    assert sink.written == [EVENT]


class NotedTimers(asyncio.SelectorEventLoop):
    """A loop that remembers its timers."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: list[asyncio.TimerHandle] = []

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, **more: Any) -> asyncio.TimerHandle:
        self.timers.append(super().call_later(delay, callback, *args, **more))
        return self.timers[-1]


def test_a_flush_leaves_no_timer_that_would_write_the_next_events_too() -> None:
    """Two writers took the same events, and the second found none to remove."""
    sink = Broken(OSError())
    sink.problem = None

    async def work() -> None:
        audit = AuditQueue(sink)
        audit(EVENT)
        await audit.flush()
        audit(EVENT)

    with asyncio.Runner(loop_factory=NotedTimers) as runner:
        runner.run(work())
        loop = runner.get_loop()
        assert isinstance(loop, NotedTimers)
        assert [timer.cancelled() for timer in loop.timers] == [True, False]
    assert sink.written == [EVENT]


def test_all_nodes_write_to_one_table_in_order(tmp_path: Path) -> None:
    """[FS-18]: numbers grow without a gap, so a reader that has seen one has seen all before it."""
    stores = [SqliteStore(tmp_path / "db") for _ in range(3)]

    async def work() -> None:
        queues = [AuditQueue(TableSink(store)) for store in stores]
        for number in range(30):
            queues[number % 3]({**EVENT, "log_id": str(number), "user_id": f"auth0|{number % 2}"})
        await asyncio.gather(*(queue.close() for queue in queues))

    asyncio.run(work())
    found = in_table(stores[0])
    assert [one.number for one in found] == list(range(1, 31))
    assert {json.loads(one.event)["log_id"] for one in found} == set(map(str, range(30)))
    assert {(one.type, one.user_id) for one in found} == {("fp", "auth0|0"), ("fp", "auth0|1")}
    assert [one.number for one in in_table(stores[1], after=28)] == [29, 30]
    for store in stores:
        asyncio.run(store.close())


def test_the_table_is_bounded_by_age_and_by_number(tmp_path: Path) -> None:
    """[FS-18]: in small batches; and no number comes twice."""
    store = SqliteStore()
    events = [{**EVENT, "date": (NOON + timedelta(days=day)).isoformat(), "log_id": str(day)} for day in range(100)]
    write("table", *events, store=store)

    def sweep(days: int, keep: int, most: int) -> int:
        work = partial(_sweep_events, days=days, keep=keep, most=most)
        return asyncio.run(store.write(work))

    assert sweep(0, 1000, 10) == 0
    assert sweep(50, 1000, 10) == 10
    assert sweep(50, 1000, 1000) == 40
    assert [one.number for one in in_table(store)] == list(range(51, 101))
    assert sweep(50, 20, 1000) == 30
    assert [one.number for one in in_table(store)] == list(range(81, 101))
    assert sweep(1000, 0, 1000) == 19, "the newest stays"
    write("table", EVENT, store=store)
    assert [one.number for one in in_table(store)] == [100, 101]


async def _sweep_events(transaction: Transaction, days: int, keep: int, most: int) -> int:
    return await transaction.sweep_events(NOON + timedelta(days=days), keep, most)


def test_requests_sweep_the_table_by_the_settings_of_the_tenant() -> None:
    """[FS-18]."""
    scene = Scene(replace(ready_config(ISSUER), audit_rows=3))
    write("table", *[{**EVENT, "date": NOON.isoformat()}] * 10, store=scene.store)
    scene.time.go(timedelta(seconds=2))
    scene.post("oauth/token")
    assert len(in_table(scene.store)) == 3
    scene.time.go(timedelta(days=91))
    scene.post("oauth/token")
    assert len(in_table(scene.store)) == 1


@pytest.mark.parametrize("is_file", [True, False])
def test_a_tenant_that_follows_its_folder_writes_there(tmp_path: Path, *, is_file: bool) -> None:
    """[FS-18]: what one asks for at /oauth/token is noted with Auth0's code."""
    asked = {"grant_type": "refresh_token", "client_id": "x", "refresh_token": "y"}
    place: Place = tmp_path / FILE_NAME if is_file else "table"
    tenant = Tenant.follow(tmp_path, ready_config(ISSUER), audit=place)
    Pair({ISSUER.rstrip("/"): tenant.app}, peer="192.0.2.7").send(form_request(f"{ISSUER}oauth/token", asked))
    tenant.close()
    store = SqliteStore(tmp_path / "tenant.sqlite3")
    found = lines(tmp_path / FILE_NAME) if is_file else [json.loads(one.event) for one in in_table(store)]
    asyncio.run(store.close())
    [event] = [one for one in found if one["type"] != "ss"]
    assert (event["type"], event["ip"]) == ("fapi", "192.0.2.7")


def test_a_flood_of_refused_requests_is_one_event_a_minute() -> None:
    """[FS-18]: else it would push everything else out of the log."""
    scene = Scene(replace(ready_config(ISSUER), requests_per_minute=5))
    for _ in range(50):
        scene.post("oauth/token")
    assert [event["type"] for event in scene.events].count("api_limit") == 1
    scene.post("oauth/token", peer="198.51.100.9")
    for _ in range(50):
        scene.post("oauth/token", peer="198.51.100.9")
    assert [event["ip"] for event in scene.events if event["type"] == "api_limit"] == ["192.0.2.7", "198.51.100.9"]


def test_an_event_names_its_request_and_no_two_are_the_same() -> None:
    """[FS-18]: the id of the request is that of the answer's header."""
    scene = Scene()
    answers = [scene.post("oauth/token", grant_type="refresh_token", client_id="x", refresh_token="y") for _ in "ab"]
    assert [event["request_id"] for event in scene.events] == [one.header("x-auth0-requestid") for one in answers]
    names = [str(event["log_id"]) for event in scene.events]
    assert names == sorted(set(names))
    assert {event["type"] for event in scene.events} <= set(CODES)


def test_what_is_mistyped_or_misplaced_stays_out_of_the_log() -> None:
    """[FS-18]: a password in the field of the e-mail address, and a secret in that of the client."""
    scene = Scene()
    scene.post("oauth/token", grant_type="refresh_token", client_id="sk_live_0123456789", refresh_token="y")
    assert scene.events[-1]["client_id"] == "sk_l... (18 characters)"
    for typed, shown in (
        ("correct horse", "(13 characters that are no e-mail address)"),
        ("p@ssword", "(8 characters that are no e-mail address)"),
        (EMAIL, EMAIL),
    ):
        person = scene.person()
        person.open(f"{ISSUER}u/enrol")
        person.press("login", email=typed, password="something else")
        assert scene.events[-1]["user_name"] == shown

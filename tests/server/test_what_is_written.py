"""What a request writes to the database: nothing for a pending poll, and for a refresh no index."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from keyfob.protocol.grants import DEVICE_CODE, REFRESH_TOKEN
from keyfob.server.io.postgresql import PostgresStore
from keyfob.server.io.sqlite import SqliteStore
from keyfob.testing.scene import Scene
from tests.postgres import Postgres
from tests.server.wires import text_of

PAGE, FRAME_HEADER, WAL_HEADER = 4096, 24, 32


@pytest.fixture
def pages(tmp_path: Path) -> tuple[Scene, Callable[[], float]]:
    """Return a scene on a file, and a function that returns how many pages were written so far."""
    path = tmp_path / "store.sqlite3"
    scene = Scene(store=SqliteStore(path))
    log = path.with_name(f"{path.name}-wal")
    return scene, lambda: (log.stat().st_size - WAL_HEADER) / (PAGE + FRAME_HEADER)


def _refresh_token(scene: Scene) -> str:
    stored = scene.log_in("offline_access", "read:orders")
    assert stored.refresh_token is not None
    return stored.refresh_token.reveal()


def _begin(scene: Scene) -> str:
    return text_of(scene.post("oauth/device/code", client_id="keyfob-cli", scope="read:orders"), "device_code")


def _poll(scene: Scene, code: str) -> None:
    scene.time.go(timedelta(seconds=6))
    answer = scene.post("oauth/token", client_id="keyfob-cli", grant_type=DEVICE_CODE, device_code=code)
    assert b"authorization_pending" in answer.body


def test_a_pending_poll_writes_nothing_to_sqlite(pages: tuple[Scene, Callable[[], float]]) -> None:
    scene, written = pages
    code = _begin(scene)
    before = written()
    for _ in range(5):
        _poll(scene, code)
    assert written() == before


def test_a_pending_poll_writes_nothing_to_postgresql(postgres: Postgres) -> None:
    """Every transaction that writes has a number, so the next number is the same. Autovacuum takes one now and then."""
    url = postgres.new_database()
    scene = Scene(store=PostgresStore(url))
    code = _begin(scene)

    def numbers_taken() -> int:
        before = postgres.sql(url, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")[0][0]
        for _ in range(5):
            _poll(scene, code)
        after = postgres.sql(url, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")[0][0]
        assert isinstance(before, int)
        assert isinstance(after, int)
        return after - before

    assert min(numbers_taken() for _ in range(3)) == 0


def test_a_refresh_writes_one_page(pages: tuple[Scene, Callable[[], float]]) -> None:
    """What an index holds of a login never changes, so only the page of its row is written."""
    scene, written = pages
    token = _refresh_token(scene)
    before = written()
    scene.time.go(timedelta(seconds=6))
    answer = scene.post("oauth/token", client_id="keyfob-cli", grant_type=REFRESH_TOKEN, refresh_token=token)
    assert text_of(answer, "refresh_token") != token
    assert written() == before + 1


def test_a_refresh_adds_no_entry_to_an_index_of_postgresql(postgres: Postgres) -> None:
    """The new version of the row is on the same page, and the entries of the indexes lead to it (a HOT update)."""
    url = postgres.new_database()
    scene = Scene(store=PostgresStore(url))
    token = _refresh_token(scene)
    for _ in range(3):
        scene.time.go(timedelta(seconds=6))
        answer = scene.post("oauth/token", client_id="keyfob-cli", grant_type=REFRESH_TOKEN, refresh_token=token)
        token = text_of(answer, "refresh_token")
    counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'refresh_login'"
    until = time.monotonic() + 10  # before PostgreSQL 15, another process counts
    while (found := postgres.sql(url, counts)) != [(3, 3)] and time.monotonic() < until:
        pass
    assert found == [(3, 3)]


def test_a_refresh_reads_once_and_writes_once(tmp_path: Path) -> None:
    """Each statement is a round trip on PostgreSQL. That of the version is SQLite's alone, and costs no round trip."""
    store = SqliteStore(tmp_path / "store.sqlite3")
    scene = Scene(store=store)
    token = _refresh_token(scene)
    scene.post("oauth/token")  # expired rows are deleted with this request, and not with the next
    statements: list[str] = []
    store._writer.set_trace_callback(statements.append)
    scene.post("oauth/token", client_id="keyfob-cli", grant_type=REFRESH_TOKEN, refresh_token=token)
    words = [statement.split()[0] for statement in statements]
    assert words == ["BEGIN", "PRAGMA", "SELECT", "INSERT", "COMMIT"]

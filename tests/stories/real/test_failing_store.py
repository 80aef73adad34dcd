"""A tenant whose store fails: 503 with Retry-After, /readyz says it, and all is well again without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest

from tests.postgres import Postgres, running
from tests.stories.real.commands import Commands, commands

__all__ = ["commands"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses signals and file systems of Linux")
FORM = {"content-type": "application/x-www-form-urlencoded"}
RETRY_AFTER = "3"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


class Served:
    """A tenant as a process."""

    def __init__(self, commands: Commands, *words: str) -> None:
        self.process, issuer, _ = commands.serve(0, "--audit", "off", *words)
        self._port = urlsplit(issuer).port or 0

    def ask(self, method: str, path: str, **form: str) -> tuple[int, str | None, dict[str, object]]:
        """Return the status, Retry-After and the answer."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self._port, timeout=40)) as connection:
            connection.request(method, path, urlencode(form), FORM)
            answer = connection.getresponse()
            return answer.status, answer.getheader("retry-after"), json.loads(answer.read())

    def begin(self) -> tuple[int, str | None]:
        """Begin a device login, which writes to the store."""
        status, retry, _ = self.ask("POST", "/oauth/device/code", client_id="keyfob-cli")
        return status, retry

    def readiness(self) -> tuple[int, object]:
        status, _, answer = self.ask("GET", "/readyz")
        return status, answer.get("reason")

    def begin_until(self, status: int) -> str | None:
        """Begin logins until the answer is this. Return its Retry-After."""
        found: list[tuple[int, str | None]] = [(0, None)]

        def is_there() -> bool:
            found[0] = self.begin()
            assert found[0][0] in {200, 503}
            return found[0][0] == status

        until(is_there)
        return found[0][1]

    def fails(self) -> None:
        """Logins are refused, /readyz says why, and the process lives."""
        assert self.begin_until(503) == RETRY_AFTER
        until(lambda: self.readiness() == (503, "store-unavailable"))
        assert self.ask("GET", "/healthz")[0] == 200

    def recovers(self) -> None:
        """Logins and /readyz are as before, in the same process."""
        self.begin_until(200)
        until(lambda: self.readiness() == (200, None))
        assert self.process.poll() is None


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come"
        threading.Event().wait(0.05)


@pytest.fixture
def own_server() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture
def small_disk(commands: Commands) -> Iterator[Path]:
    """A data folder on a file system of its own, of four megabytes."""
    folder = commands.folder / "data"
    folder.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    for process in commands.running:
        process.kill()
        process.wait(10)
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(not IS_ROOT, reason="only root mounts")
def test_a_full_disk(commands: Commands, small_disk: Path) -> None:
    served = Served(commands)
    assert served.begin()[0] == 200
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    served.fails()
    ballast.unlink()
    served.recovers()


def test_a_limit_of_file_sizes(commands: Commands) -> None:
    """As a full disk, where nothing can be mounted."""
    served = Served(commands)
    assert served.begin()[0] == 200
    set_limit(served.process.pid, 1)
    served.fails()
    set_limit(served.process.pid, -1)
    served.recovers()


@pytest.mark.skipif(not IS_ROOT, reason="only root mounts")
def test_a_disk_that_becomes_read_only(commands: Commands, small_disk: Path) -> None:
    """The kernel does so with a file system that has errors, even while files are open."""
    served = Served(commands)
    assert served.begin()[0] == 200
    database = commands.folder / "data" / "tenant.sqlite3"
    immutable = subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], capture_output=True, check=False)
    if immutable.returncode:  # files are open for writing
        pytest.skip(immutable.stderr.decode().strip())
    assert database.exists()
    served.fails()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    served.recovers()


def set_limit(process: int, size: int) -> None:
    """Limit the length of the files that another process writes."""
    import resource

    _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size if size >= 0 else hard, hard))


def test_postgresql_that_is_restarted(commands: Commands, own_server: Postgres) -> None:
    served = Served(commands, "--database", own_server.new_database())
    assert served.begin()[0] == 200
    own_server.stop()
    served.fails()
    own_server.start()
    served.recovers()


def test_postgresql_that_may_only_be_read(commands: Commands, own_server: Postgres) -> None:
    url = own_server.new_database()
    served = Served(commands, "--database", url)
    assert served.begin()[0] == 200
    name = urlsplit(url).path[1:]
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyfob'"
    own_server.sql(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on", end)
    served.fails()
    own_server.sql(own_server.url("postgres"), f"ALTER DATABASE {name} RESET default_transaction_read_only", end)
    served.recovers()


def test_a_connection_that_is_cut_in_a_transaction(commands: Commands, postgres: Postgres) -> None:
    """The transactions wait for a lock when their connections end. The next requests connect again."""
    url = postgres.new_database()
    served = Served(commands, "--database", url)
    assert served.begin()[0] == 200
    with ThreadPoolExecutor(4) as pool:

        async def cut() -> list[tuple[int, str | None]]:
            owner, other = await asyncpg.connect(url), await asyncpg.connect(url)
            try:
                async with owner.transaction():
                    await owner.execute("LOCK TABLE device_login IN ACCESS EXCLUSIVE MODE")
                    asked = await four_that_wait(other)
                    await other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name = 'keyfob' AND datname = current_database()"
                    )
                    return [await asyncio.wrap_future(one) for one in asked]
            finally:
                await owner.close()
                await other.close()

        async def four_that_wait(other: asyncpg.Connection) -> list[Future[tuple[int, str | None]]]:
            """Ask until four transactions wait at once; on a busy machine the first may have been refused by then."""
            for _ in range(10):
                asked = [pool.submit(served.begin) for _ in range(4)]
                while not all(one.done() for one in asked):
                    # Not in the transaction that holds the lock, which would see the first answer for ever.
                    if await other.fetchval(WAITING) >= 4:
                        return asked
                    await asyncio.to_thread(threading.Event().wait, 0.02)
            raise AssertionError("four transactions never wait at once")

        answers = asyncio.run(cut())
    assert set(answers) == {(503, RETRY_AFTER)}
    served.recovers()


def test_a_pool_that_is_exhausted(commands: Commands, postgres: Postgres) -> None:
    """All connections wait for a lock: what comes after them is refused after three seconds, and not kept."""
    url = postgres.new_database()
    served = Served(commands, "--database", url)
    assert served.begin()[0] == 200
    with ThreadPoolExecutor(24) as pool:

        async def exhaust() -> list[tuple[int, str | None]]:
            owner = await asyncpg.connect(url)
            try:
                async with owner.transaction():
                    await owner.execute("LOCK TABLE device_login IN ACCESS EXCLUSIVE MODE")
                    asked = [pool.submit(served.begin) for _ in range(24)]
                    return [await asyncio.wrap_future(one) for one in asked]
            finally:
                await owner.close()

        answers = asyncio.run(exhaust())
    assert set(answers) == {(503, RETRY_AFTER)}
    served.recovers()

"""A PostgreSQL server of the tests' own, on a socket in a temporary folder, with a fresh database for each test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it has no types

from keyfob.server.io.postgresql import PostgresStore

START_S = 60
FAST = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


def programs() -> Path | None:
    """Return the folder with initdb and postgres, which `make test` names, else one of this machine's."""
    named = os.environ.get("KEYFOB_TEST_POSTGRES")
    if named is not None:
        return Path(named) if named else None
    from tools.find_postgresql import find

    return find()


class Postgres:
    """A running server.

    Attributes:
        folder: Of its socket.
    """

    def __init__(self, folder: Path, settings: Sequence[str] = FAST) -> None:
        """Create a cluster in a folder, and start it."""
        found = programs()
        assert found is not None, "programs() is asked first"
        self.folder = folder
        self._programs = found
        self._settings = settings
        self._numbers = count(1)
        self._has_template = False
        self._server: subprocess.Popen[bytes] | None = None
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        # PostgreSQL does not run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
            if not all(place.stat().st_mode & stat.S_IXOTH for place in found.resolve().parents):
                self._programs = shutil.copytree(found.parent, folder / "programs", symlinks=True) / "bin"
        self._run("initdb", "-D", folder / "data", "-U", "keyfob", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        log = (self.folder / "log").open("ab")
        with log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-h", "", *self._settings],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self._user, cwd=self.folder, umask=0o077,
            )  # fmt: skip
        until = time.monotonic() + START_S
        ready = self.folder / "data" / "postmaster.pid"
        while not (ready.is_file() and ready.read_text().rstrip().endswith("ready")):
            assert time.monotonic() < until, "PostgreSQL does not start"
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(0.02)
                raise AssertionError((self.folder / "log").read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server without waiting for clients. SIGQUIT lets it crash."""
        assert self._server is not None
        self._server.send_signal(how)
        self._server.wait(START_S)

    def kill(self) -> None:
        """Kill all its processes, so that it can be started again."""
        assert self._server is not None
        supervisor = self._server.pid
        family = [supervisor, *map(int, Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split())]
        for process in family:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._server.wait(START_S)
        while any(map(_is_alive, family)):
            threading.Event().wait(0.005)  # a new server refuses to start beside one of them
        (self.folder / "data" / "postmaster.pid").unlink()

    def new_database(self, *, is_empty: bool = False) -> str:
        """Create a database with the present schema, or none, and return its URL."""
        if not is_empty and not self._has_template:
            self.sql(self.url("postgres"), "CREATE DATABASE ready")
            asyncio.run(_migrate(self.url("ready")))
            self._has_template = True
        name = f"test{next(self._numbers)}"
        self.sql(self.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {'template0' if is_empty else 'ready'}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://keyfob@/{database}?host={self.folder}"

    def sql(self, url: str, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as the owner of everything. Return the rows of the last."""

        async def run() -> list[tuple[object, ...]]:
            connection = await asyncpg.connect(url)
            try:
                return [tuple(row) for row in [await connection.fetch(statement) for statement in statements][-1]]
            finally:
                await connection.close()

        return asyncio.run(run())

    def _run(self, program: str, *words: object) -> None:
        done = subprocess.run(
            [self._programs / program, *map(str, words)],
            capture_output=True, check=False, user=self._user, cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def _migrate(url: str) -> None:
    store = PostgresStore(url)
    await store.read(lambda transaction: transaction.signing_keys())
    await store.close()


@contextmanager
def running(settings: Sequence[str] = FAST) -> Iterator[Postgres]:
    """Run a server in a folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Postgres(folder / "s", settings)
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # nothing of it is kept

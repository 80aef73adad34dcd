"""Measure the memory and disk space that floods of unauthenticated requests occupy, with the usual limits.

`python bench/floods.py TREE` measures an older source tree too. Linux only: memory is read from /proc, and the honest
login comes from 127.0.0.2.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from keyfob.protocol.fields import read_json
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, PASSWORD

HERE = Path(__file__).parent
MIB = 1 << 20
FORM = {"content-type": "application/x-www-form-urlencoded"}
SENDERS = 8
CHALLENGE = {"code_challenge": "x" * 43, "code_challenge_method": "S256"}
PUSHED = {"client_id": "native", "redirect_uri": "http://127.0.0.1:8484/callback", "response_type": "code", **CHALLENGE}


@dataclass(frozen=True)
class Server:
    """A running tenant: its process, its port and its folder."""

    process: int
    port: int
    folder: Path

    def memory(self) -> int:
        return int(Path(f"/proc/{self.process}/statm").read_text().split()[1]) * 4096

    def disk(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def rows(self, table: str) -> int:
        (database,) = self.folder.glob("*.sqlite3")
        with contextlib.closing(sqlite3.connect(database)) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            return int(count)


def tokens(server: Server) -> str:
    """3,000 token requests with a client_id of 60 KB."""
    before, own = server.memory(), {"grant_type": "client_credentials", "client_secret": "x"}
    bodies = [urlencode({**own, "client_id": f"{number}{'x' * 60_000}"}) for number in range(3000)]
    statuses = post_all(server, "/oauth/token", bodies)
    return f"{grown(server, before)}; {statuses}"


def headers(server: Server) -> str:
    """150 MiB of headers on one connection."""
    before, taken, most, line = server.memory(), 0, 150 * MIB, b"x-more: " + b"a" * 8000 + b"\r\n"
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n")
            while taken < most and not select.select([connection], [], [], 0)[0]:
                connection.sendall(line)
                taken += len(line)
        return f"{grown(server, before)}; {taken / MIB:.1f} MiB were taken"


def cookies(server: Server) -> str:
    """One device code confirmed in 400 browsers."""
    issuer, before = f"http://127.0.0.1:{server.port}", server.rows("browser_session")
    asked = urlencode({"client_id": "native", "scope": "openid"}).encode()
    with urlopen(f"{issuer}/oauth/device/code", asked) as answer:
        address = read_json(answer.read(), "answer").text("verification_uri_complete")
    statuses: Counter[int] = Counter()
    for _ in range(400):
        person = Person()
        person.open(address)
        statuses[person.press("confirm").status if person.page.forms else person.page.status] += 1
    return f"{server.rows('browser_session') - before} rows; {shown(statuses)}"


def pushes(server: Server, size: int) -> str:
    before = server.disk()
    hint = "x" * (size - len(urlencode(PUSHED)))
    statuses = post_all(server, "/oauth/par", [urlencode({**PUSHED, "login_hint": hint})] * 10_000)
    disk = (server.disk() - before) / MIB
    return f"{server.rows('pushed_request')} rows, {disk:+.1f} MiB on disk; {statuses}"


def large_pushes(server: Server) -> str:
    """10,000 pushed requests of 60 KB."""
    return pushes(server, 60_000)


def small_pushes(server: Server) -> str:
    """10,000 pushed requests of 2 KB."""
    return pushes(server, 2000)


def passwords(server: Server) -> str:
    """A login behind 40 abandoned password posts."""
    own = {"grant_type": "password", "client_id": "legacy"}
    for number in range(40):
        body = urlencode({**own, "username": f"user{number}@example.com", "password": "x"}).encode()
        head = f"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM['content-type']}\r\n"
        with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as connection:
            connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    honest = HTTPConnection("127.0.0.1", server.port, timeout=120, source_address=("127.0.0.2", 0))
    start = time.perf_counter()
    honest.request("POST", "/oauth/token", urlencode({**own, "username": EMAIL, "password": PASSWORD}), FORM)
    status = honest.getresponse().status
    honest.close()
    return f"answered with {status} after {time.perf_counter() - start:.2f} s"


FLOODS: tuple[Callable[[Server], str], ...] = (tokens, headers, cookies, large_pushes, small_pushes, passwords)


def main(*older: str) -> None:
    """Print a line for each flood, and each tree."""
    trees = {**{tree: Path(tree) / "src" for tree in older}, "this one": None}
    for flood in FLOODS:
        print(f"  {(flood.__doc__ or '').rstrip('.')}")
        for name, tree in trees.items():
            with serving(tree) as server:
                print(f"    {name:<24} {flood(server)}", flush=True)


@contextlib.contextmanager
def serving(tree: Path | None) -> Iterator[Server]:
    """Run a tenant from the given source tree, or from this tree if it is None."""
    environment = {**os.environ, "PYTHONPATH": str(tree)} if tree else dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "peers" / "flooded_tenant.py"), folder],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            yield Server(process.pid, int(process.stdout.readline()), Path(folder))
        finally:
            process.kill()
            process.wait()


def post_all(server: Server, path: str, bodies: list[str]) -> str:
    """Post the bodies over a few connections, and return the number of responses for each status."""

    def post(share: list[str]) -> Counter[int]:
        statuses: Counter[int] = Counter()
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        for body in share:
            try:
                connection.request("POST", path, body, FORM)
                response = connection.getresponse()
                response.read()
                statuses[response.status] += 1
            except (OSError, HTTPException):
                connection.close()
                statuses[0] += 1
        connection.close()
        return statuses

    with ThreadPoolExecutor(SENDERS) as pool:
        found = sum(pool.map(post, (bodies[at::SENDERS] for at in range(SENDERS))), Counter[int]())
    return shown(found)


def shown(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} × {status or 'no answer'}" for status, count in sorted(statuses.items()))


def grown(server: Server, before: int) -> str:
    after = server.memory()
    return f"memory {before / MIB:.0f} → {after / MIB:.0f} MiB"


if __name__ == "__main__":
    main(*sys.argv[1:])

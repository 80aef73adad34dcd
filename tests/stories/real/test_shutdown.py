"""A tenant that is stopped under load answers every request that it has accepted, and closes its store."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.stories.real.commands import Commands, commands

__all__ = ["commands"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
INTERRUPTED_AT_ONCE = """
import signal, sys
from pathlib import Path
from keyfob.serve import Tenant, bind, ready_config, run, url_of

def interrupt(event):
    print(event["type"], flush=True)
    if event["type"] == "keyfob_start":
        signal.raise_signal(signal.SIGINT)

listener = bind("127.0.0.1", 0)
run(Tenant.follow(Path(sys.argv[1]), ready_config(url_of(listener)), audit=interrupt), listener)
"""
OBJECTS_AT_START = """
import gc, signal, sys
from pathlib import Path
from keyfob.serve import Tenant, bind, ready_config, run, url_of

def count(event):
    if event["type"] == "keyfob_start":
        print(len(gc.get_objects()), gc.get_freeze_count(), flush=True)
        signal.raise_signal(signal.SIGINT)

listener = bind("127.0.0.1", 0)
run(Tenant.follow(Path(sys.argv[1]), ready_config(url_of(listener)), audit=count), listener)
"""
FILE = """
[tenant]
allows_password = true
requests_per_minute = 1000000
default_directory = "Username-Password-Authentication"

[[applications]]
client_id = "legacy"
name = "Legacy"
grants = ["password"]

[[connections]]
name = "Username-Password-Authentication"
allows_password = true
"""
HEAD = b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: "


def password_request(number: int) -> bytes:
    form = b"grant_type=password&client_id=legacy&username=nobody%d@example.com&password=wrong-password" % number
    return HEAD + b"%d\r\n\r\n" % len(form) + form


class Served:
    """A tenant as a process."""

    def __init__(self, commands: Commands, folder: Path) -> None:
        file = folder / "tenant.toml"
        file.write_text(FILE, encoding="utf-8")
        self.process, issuer, _ = commands.serve(0, str(file))
        self.port = urlsplit(issuer).port or 0
        self.stopped_at = float("inf")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def stop(self) -> None:
        """Send the signal, and return when nobody listens any more."""
        self.stopped_at = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        with suppress(OSError):
            while True:
                self.connect().close()
                threading.Event().wait(0.01)


@pytest.fixture
def served(commands: Commands, tmp_path: Path) -> Served:
    return Served(commands, tmp_path)


def answer_of(connection: socket.socket) -> bytes:
    """Return a response with `content-length`, or what has come of it."""
    found = b""
    while b"\r\n\r\n" not in found or len(found.partition(b"\r\n\r\n")[2]) < length_in(found):
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return found
        if not piece:
            return found
        found += piece
    return found


def length_in(response: bytes) -> int:
    lines = response.partition(b"\r\n\r\n")[0].lower().splitlines()
    return next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length"))


def ask(served: Served, connection: HTTPConnection) -> str:
    """Send one request, and return how it ended. One that is sent after the signal may be late."""
    try:
        if connection.sock is None:
            connection.connect()
    except OSError:
        return "refused"
    began = time.monotonic()
    try:
        connection.request("POST", "/oauth/token", b"client_id=x")
        connection.getresponse().read()
    except (OSError, HTTPException) as problem:
        return repr(problem) if began < served.stopped_at else "late"
    return "answered"


def keep_asking(served: Served, has_begun: threading.Barrier, *, is_kept: bool) -> set[str]:
    """Send requests until the tenant is gone, on one connection or on one for each."""
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection:
        ends = {ask(served, connection)}
        has_begun.wait(30)
        while ends == {"answered"}:
            if not is_kept:
                connection.close()
            ends.add(ask(served, connection))
    return ends


def test_every_accepted_request_is_answered(served: Served, tmp_path: Path) -> None:
    """Of SIGTERM: running, queued, half sent, and on a connection that was open before."""
    has_begun = threading.Barrier(9)
    with ThreadPoolExecutor(8) as pool:
        kinds = (True, False) * 4
        asking = [pool.submit(keep_asking, served, has_begun, is_kept=is_kept) for is_kept in kinds]
        has_begun.wait(30)
        silent, half, *whole = (served.connect() for _ in range(7))
        half.sendall(password_request(9)[:-20])
        for number, one in enumerate(whole):  # each takes a while, and two are checked at a time
            one.sendall(password_request(number))
        served.stop()
        silent.sendall(b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n\r\n")
        half.sendall(password_request(9)[-20:])
        heads = [answer_of(one).partition(b"\r\n\r\n")[0].lower() for one in (silent, half, *whole)]
        ends = set[str]().union(*(one.result(30) for one in asking))
    for one in (silent, half, *whole):
        one.close()
    assert [head[:12] for head in heads] == [b"http/1.1 200", *[b"http/1.1 403"] * 6]
    assert b"connection: close" in heads[0]
    assert ends <= {"answered", "refused", "late"}
    assert served.process.wait(30) == 0
    assert [path.name for path in (tmp_path / "data").glob("*-wal")] == [], "the store was closed"


def test_a_signal_at_the_very_start_ends_it(commands: Commands) -> None:
    """The event loop lost it, and the process stayed for ever."""
    for _ in range(4):
        process, _, _ = commands.serve()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_signal_between_the_start_and_the_first_connection_ends_the_tenant(tmp_path: Path) -> None:
    started = [sys.executable, "-c", INTERRUPTED_AT_ONCE, str(tmp_path / "data")]
    ended = subprocess.run(started, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout.split(), ended.stderr) == (0, ["keyfob_start", "keyfob_stop"], "")


def test_a_served_tenant_does_not_look_for_garbage_in_what_it_began_with(tmp_path: Path) -> None:
    """A collection of all objects holds every request up."""
    command = [sys.executable, "-c", OBJECTS_AT_START, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    watched, frozen = map(int, ended.stdout.split())
    assert watched < frozen / 20

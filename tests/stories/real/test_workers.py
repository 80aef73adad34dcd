"""`keyfob serve --workers`: several processes that share a port and a store, and a supervisor over them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from keyfob.protocol.fields import read_json
from tests.postgres import Postgres
from tests.stories.real.commands import LOGIN, Commands, approve, commands, next_event

__all__ = ["commands"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
WORKERS = 3
FORM = {"content-type": "application/x-www-form-urlencoded"}


def workers_of(supervisor: int) -> set[int]:
    """The children of a process."""
    try:
        return set(map(int, Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()))
    except FileNotFoundError:
        return set()


def is_alive(process: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(holds: Callable[[], bool], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come"
        threading.Event().wait(0.02)


def ask(port: int, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    """Send one request on a connection of its own."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, body, FORM)
        answer = connection.getresponse()
        return answer.status, answer.read()


class Served:
    """A tenant with workers.

    Attributes:
        metrics: The ports with the metrics of each.
    """

    def __init__(self, commands: Commands, *words: str) -> None:
        self.process = commands.start("serve", "--port", "0", "--workers", str(WORKERS), "--metrics-port", "0", *words)
        assert self.process.stdout is not None
        self.shown: list[str] = []
        for line in self.process.stdout:
            self.shown.append(line)
            if line.startswith("Ctrl-C"):
                break
        found = {line.split()[0]: line.split()[1:] for line in self.shown if line.startswith("  ")}
        self.issuer = found["issuer"][0]
        self.port = urlsplit(self.issuer).port or 0
        self.password = found["password"][0] if "password" in found else ""
        self.metrics = [urlsplit(one.rstrip(",")).port or 0 for one in found["metrics"]]
        until(self.all_count)

    @property
    def workers(self) -> set[int]:
        return workers_of(self.process.pid)

    def all_count(self) -> bool:
        with contextlib.suppress(OSError):
            return all(ask(port, "GET", "/metrics")[0] == 200 for port in self.metrics)
        return False

    def rest(self) -> tuple[str, str]:
        """What was written after the introduction."""
        return self.process.communicate(timeout=40)


def poll_of(served: Served) -> str:
    status, found = ask(served.port, "POST", "/oauth/device/code", urlencode({"client_id": "keyfob-cli"}))
    assert status == 200
    code = str(read_json(found, "the device login").values["device_code"])
    kind = "urn:ietf:params:oauth:grant-type:device_code"
    return urlencode({"grant_type": kind, "client_id": "keyfob-cli", "device_code": code})


def test_workers_share_a_port_and_one_that_dies_is_replaced(commands: Commands) -> None:
    served = Served(commands)
    before = served.workers
    assert len(before) == len(served.metrics) == WORKERS
    assert sum("issuer" in line for line in served.shown) == 1
    dead = min(before)
    os.kill(dead, signal.SIGKILL)
    with ThreadPoolExecutor(8) as pool:  # the others serve meanwhile
        answers = list(pool.map(lambda _: ask(served.port, "GET", "/.well-known/jwks.json")[0], range(60)))
    assert set(answers) == {200}
    until(lambda: len(served.workers) == WORKERS and dead not in served.workers)
    until(served.all_count)
    os.kill(min(served.workers), signal.SIGTERM)  # ends in good order, and is replaced as well
    until(lambda: len(served.workers - before) == 2)
    until(served.all_count)  # each at the port of the one before it
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(40) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_workers_in_good_order(commands: Commands, how: signal.Signals) -> None:
    served = Served(commands)
    workers = served.workers
    with ThreadPoolExecutor(4) as pool:

        def keep_asking(_: int) -> str:
            while True:
                try:
                    assert ask(served.port, "GET", "/.well-known/jwks.json")[0] == 200
                except ConnectionRefusedError:
                    return "refused"
                except (OSError, HTTPException) as problem:
                    return repr(problem)

        asking = [pool.submit(keep_asking, number) for number in range(4)]
        served.process.send_signal(how)
        assert served.process.wait(40) == 0
        ends = {one.result(40) for one in asking}
    assert ends == {"refused"}, "an accepted request was not answered"
    assert not any(map(is_alive, workers))
    out, err = served.rest()
    assert out == err == ""
    assert list((commands.folder / "data").glob("*-wal")) == [], "the store was closed"


def test_workers_end_if_their_supervisor_is_killed(commands: Commands) -> None:
    served = Served(commands)
    workers = served.workers
    served.process.kill()
    until(lambda: not any(map(is_alive, workers)))
    with pytest.raises(ConnectionRefusedError):
        ask(served.port, "GET", "/healthz")


def test_a_worker_that_cannot_start_says_so_and_is_tried_again(commands: Commands) -> None:
    served = Served(commands)
    folder = commands.folder / "data"
    folder.rename(folder.with_name("away"))
    folder.write_text("no folder")
    os.kill(min(served.workers), signal.SIGKILL)
    assert served.process.stderr is not None
    assert str(folder) in served.process.stderr.readline()
    folder.unlink()
    folder.with_name("away").rename(folder)
    until(lambda: len(served.workers) == WORKERS and served.all_count())
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(40) == 0


def test_any_worker_answers_any_step(commands: Commands) -> None:
    """On one SQLite file: a login, a refresh, and settings that a command changes."""
    served = Served(commands)
    logging_in = commands.start("login", "--issuer", served.issuer, *LOGIN, "--json")
    approve(next_event(logging_in, "device_code"), served.password)
    assert logging_in.wait(60) == 0
    assert commands.run("token", "--min-ttl", "7d").returncode == 0
    log, began = commands.folder / "data" / "audit.jsonl", time.monotonic()
    while '"sertft"' not in log.read_text():  # events are written a moment after the answer
        assert time.monotonic() - began < 10, "the refresh of any worker is in the one file"
    assert log.read_text().count('"sertft"') == 1
    added = commands.run("tenant", "apps", "add", "Later", "--client-id", "later")
    assert added.returncode == 0, added.stderr
    changed = time.monotonic()
    form = urlencode({"client_id": "later"})
    while {ask(served.port, "POST", "/oauth/device/code", form)[0] for _ in range(12)} != {200}:
        assert time.monotonic() - changed < 10, "it is two seconds, on a machine that is not busy"


def test_workers_on_postgresql(commands: Commands, postgres: Postgres) -> None:
    served = Served(commands, "--database", postgres.new_database())
    with ThreadPoolExecutor(8) as pool:
        polls = list(pool.map(lambda _: poll_of(served), range(16)))
        answers = list(pool.map(lambda form: ask(served.port, "POST", "/oauth/token", form), polls))
    assert {body for status, body in answers if b"authorization_pending" not in body} == set()
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(40) == 0


def test_tls_with_certificates_and_workers(commands: Commands) -> None:
    served = Served(commands, "--host", "localhost", "--tls", "--mtls-port", "0")
    mtls = next(line.split()[1] for line in served.shown if line.strip().startswith("mtls"))
    authority = next(line.partition("=")[2].split()[0] for line in served.shown if "SSL_CERT_FILE=" in line)
    for url in (served.issuer, mtls):
        command = ["curl", "-sS", "--cacert", authority, f"{url}healthz"]
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)
        assert done.stdout == b'{"status":"ok"}', done.stderr

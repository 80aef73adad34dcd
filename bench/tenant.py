"""The server over HTTP on SQLite and PostgreSQL, compared with npm's oidc-provider in memory; each has one core.

The results are saved for docs/sizing.md. PostgreSQL runs beside the node, and its processor time is counted apart.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from measure import cpu_of, save

from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.grants import DEVICE_CODE
from keyfob.testing.example_tenant import ORDERS, SECRET, STOCK
from tests.postgres import running
from tools.peers import MODULES, node

HERE = Path(__file__).parent
PEER = "oidc-provider"
CONNECTIONS, SECONDS, ROUNDS = 32, 3, 3
WORKS = ("mint RS256", "mint ES256", "pending poll", "device request", "refresh with rotation")


@dataclass(frozen=True)
class Server:
    """A running server: its process, port and endpoints, and refresh tokens for the benchmark."""

    process: int
    port: int
    token: str
    device: str
    client_id: str
    refresh: list[str]


@dataclass(frozen=True)
class Taken:
    """The result of one load: requests per second of the node's processor time, and the database's time for one."""

    rate: float
    p99_ms: float
    database_us: float


def main() -> None:
    """Print requests per second of the processor time of the server, and the ratios."""
    raw = {algorithm: _raw(algorithm) for algorithm in ("RS256", "ES256")}
    found: dict[str, dict[str, dict[str, float]]] = {}
    print(f"  raw signing: RS256 {raw['RS256']:,.0f}/s, ES256 {raw['ES256']:,.0f}/s")
    theirs = [str(node()), str(HERE / "peers" / "provider.mjs"), str(MODULES), SECRET.reveal(), str(CONNECTIONS)]
    with running(("-c", "shared_buffers=256MB")) as database:
        for work in WORKS:  # new servers for each: the memory of oidc-provider has a thousand entries
            with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
                ours = [sys.executable, str(HERE / "peers" / "keyfob_tenant.py"), folder, str(CONNECTIONS)]
                own, url = ("/oauth/token", "/oauth/device/code", "bench"), database.new_database(is_empty=True)
                servers = {
                    "SQLite": stack.enter_context(_serving([*ours, ""], *own)),
                    "PostgreSQL": stack.enter_context(_serving([*ours, url], *own)),
                    PEER: stack.enter_context(_serving(theirs, "/token", "/device/auth", "native")),
                }
                taken = {name: _measure(one, work, partial(cpu_of, database)) for name, one in servers.items()}
                _show(work, taken, raw)
                found[work] = {name: vars(one) for name, one in taken.items()}
    save("http", {"work": found})


def _show(work: str, taken: dict[str, Taken], raw: dict[str, float]) -> None:
    limit = f"   {taken['SQLite'].rate / raw[work[-5:]]:.2f} × raw signing" if work.startswith("mint") else ""
    print(f"  {work}{limit}")
    for name, one in taken.items():
        ratios = ", ".join(f"{one.rate / taken[other].rate:5.2f} × {other}" for other in ("SQLite", PEER))
        speed = f"{one.rate:>8,.0f}/s p99 {one.p99_ms:6.1f} ms"
        print(f"    {name:<14} {speed}   {ratios}   database {one.database_us:4.0f} us", flush=True)


def _raw(algorithm: Algorithm) -> float:
    key, best = SigningKey.generate(algorithm), 0.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(400):
            sign({"sub": "x"}, key, token_type="JWT")
        best = max(best, 400 / (time.perf_counter() - start))
    return best


def _measure(server: Server, work: str, database: Callable[[], float]) -> Taken:
    # Only one round of refreshes: the memory of oidc-provider would drop the tokens for the next one.
    rounds = [_load(server, work, database) for _ in range(1 if "refresh" in work else ROUNDS)]
    return Taken(*(round(statistics.median(part), 1) for part in zip(*map(astuple, rounds), strict=True)))


def _load(server: Server, work: str, database: Callable[[], float]) -> Taken:
    path, bodies = _bodies(server, work)
    orders = {"port": server.port, "path": path, "seconds": SECONDS, "bodies": bodies, "renews": "refresh" in work}
    before, in_database = _cpu(server.process), database()
    done = subprocess.run(
        [str(node()), str(HERE / "peers" / "load.mjs")],
        input=json.dumps(orders), capture_output=True, text=True, check=True, preexec_fn=lambda: _pin(1),
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert not found["failed"], f"{work}: {found['failed']} requests failed, such as {found['said']}"
    own = _cpu(server.process) - before or found["seconds"]
    return Taken(found["count"] / own, found["p99_ms"], (database() - in_database) / found["count"] * 1e6)


def _cpu(process: int) -> float:
    """Return the processor time of a process in seconds, which is independent of other processes."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bodies(server: Server, work: str) -> tuple[str, list[str]]:
    """Return the path and one request body for each connection."""
    if work.startswith("mint"):
        api, scope = (ORDERS, "read:orders") if "RS256" in work else (STOCK, "read:stock")
        own = {"client_id": "machine", "client_secret": SECRET.reveal(), "resource": api, "scope": scope}
        return server.token, [urlencode({"grant_type": "client_credentials", **own})] * CONNECTIONS
    begin = urlencode({"client_id": server.client_id, "scope": "offline_access"})
    if work == "device request":
        return server.device, [begin] * CONNECTIONS
    if work == "pending poll":
        codes = [_post(server, server.device, begin)["device_code"] for _ in range(CONNECTIONS)]
        own = {"grant_type": DEVICE_CODE, "client_id": server.client_id}
        return server.token, [urlencode({**own, "device_code": code}) for code in codes]
    # The load program does not return its last tokens, so each round uses new ones.
    own = {"grant_type": "refresh_token", "client_id": server.client_id}
    tokens = [server.refresh.pop() for _ in range(CONNECTIONS)]
    return server.token, [urlencode({**own, "refresh_token": token}) for token in tokens]


def _post(server: Server, path: str, body: str) -> dict[str, str]:
    with urlopen(f"http://127.0.0.1:{server.port}{path}", body.encode()) as answer:
        found: dict[str, str] = json.load(answer)
    return found


@contextmanager
def _serving(command: list[str], token: str, device: str, client_id: str) -> Iterator[Server]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: _pin(0),  # noqa: PLW1509  there are no threads yet
    )
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("{"))
        found = json.loads(line)
        yield Server(process.pid, found["port"], token, device, client_id, found["refresh"])
    finally:
        process.kill()
        process.wait()


def _pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})

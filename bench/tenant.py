"""Measure the server over HTTP, with SQLite and PostgreSQL, and other servers with a store in memory, on one core each.

The other servers are npm's oidc-provider, Zitadel's library for Go if there is a Go toolchain, and an older revision of
keyfob (bench/base.py). All servers are measured alternately. The results are saved for docs/sizing.md and
docs/performance.md. PostgreSQL runs on the same machine as the node, and its processor time is counted separately.
`RUNS=3 make bench ARGS=tenant` measures three times as long.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from base import ROOT, base_tree, environment
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from measure import cpu_of, save

from keyfob.protocol.grants import DEVICE_CODE
from keyfob.testing.example_tenant import ORDERS, SECRET, STOCK
from tests.postgres import Postgres, running
from tools.peers import MODULES, node

HERE = Path(__file__).parent
PEER, GO = "oidc-provider", "zitadel/oidc"
TWO_NODES = "PostgreSQL, two nodes"
CONNECTIONS, SECONDS, ROUNDS = 32, 3, 3
RUNS = int(os.environ.get("RUNS", "1"))  # each run starts all servers anew, and has three rounds
WORKS = ("mint RS256", "mint ES256", "pending poll", "device request", "refresh with rotation")
RAW_CALLS = {"RS256": 400, "ES256": 4000}


@dataclass(frozen=True)
class Program:
    """The command of each node of a server, its endpoints and its public client."""

    commands: list[list[str]]
    token: str
    device: str
    client_id: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Server:
    """A running server: the processes and ports of its nodes, and refresh tokens for the benchmark."""

    program: Program
    processes: list[int]
    ports: list[int]
    refresh: list[str]


@dataclass(frozen=True)
class Taken:
    """The result of one load: requests per second of a node's processor time, and the database's time for one.

    The rate of two nodes is the sum of their rates, as if each node had its own core.
    """

    rate: float
    p99_ms: float
    database_us: float


def main() -> None:
    """Print requests per second of the processor time of the server, and the ratios."""
    raw: dict[str, list[float]] = {algorithm: [] for algorithm in RAW_CALLS}
    found: dict[str, dict[str, dict[str, object]]] = {}
    with ExitStack() as stack:
        base = stack.enter_context(base_tree())
        go = _build(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        database = stack.enter_context(running(("-c", "shared_buffers=256MB")))
        for work in WORKS:
            programs = partial(_programs, database, work, base and base[1], go)
            rounds = [one for _ in range(RUNS) for one in _measure(work, programs, database, raw)]
            found[work] = _show(work, rounds, raw)
    rates = {algorithm: round(statistics.median(all_rates), 1) for algorithm, all_rates in raw.items()}
    versions = {PEER: f"{_version(MODULES / PEER / 'package.json')} on Node {_node_version()}"}
    save("http", {"base": base and base[0], "raw": rates, "versions": versions | _go_version(go), "work": found})


def _programs(
    database: Postgres, work: str, base: Path | None, go: Path | None, stack: ExitStack
) -> dict[str, Program]:
    """Return the servers, each with an empty store."""

    # Each of our logins takes the hash of a password.
    count, secret = str(CONNECTIONS if "refresh" in work else 0), SECRET.reveal()

    def ours(tree: Path, url: str, nodes: int = 1) -> Program:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        command = [sys.executable, str(HERE / "peers" / "keyfob_tenant.py"), folder]
        commands = [[*command, "0" if node else count, url] for node in range(nodes)]
        return Program(commands, "/oauth/token", "/oauth/device/code", "bench", environment(tree))

    theirs = [str(node()), str(HERE / "peers" / "provider.mjs"), str(MODULES), secret, count]
    found = {"SQLite": ours(ROOT, "")}
    if base is not None:
        found["SQLite, before"] = ours(base, "")
    found["PostgreSQL"] = ours(ROOT, database.new_database(is_empty=True))
    if "refresh" in work:
        found[TWO_NODES] = ours(ROOT, database.new_database(is_empty=True), nodes=2)
    found[PEER] = Program([theirs], "/token", "/device/auth", "native", os.environ)
    if go is not None:
        algorithm = "ES256" if "ES256" in work else "RS256"
        one_core = {**os.environ, "GOMAXPROCS": "1"}
        command = [str(go), algorithm, secret, count]
        found[GO] = Program([command], "/oauth/token", "/device_authorization", "native", one_core)
    return found


def _measure(
    work: str, programs: Callable[[ExitStack], dict[str, Program]], database: Postgres, raw: dict[str, list[float]]
) -> list[dict[str, Taken]]:
    """Return the results of each round. Before each load, the speed of bare signing is measured."""
    rounds: list[dict[str, Taken]] = []
    # A refresh gets new servers for each round: the memory of oidc-provider has a thousand entries.
    at_once = 1 if "refresh" in work else ROUNDS
    for _ in range(ROUNDS // at_once):
        with ExitStack() as stack:
            servers = {name: stack.enter_context(_serving(one)) for name, one in programs(stack).items()}
            for _ in range(at_once):
                taken: dict[str, Taken] = {}
                for name, server in servers.items():
                    for algorithm, rates in raw.items():
                        rates.append(_raw(algorithm))
                    taken[name] = _load(server, work, partial(cpu_of, database))
                rounds.append(taken)
    return rounds


def _show(work: str, rounds: list[dict[str, Taken]], raw: dict[str, list[float]]) -> dict[str, dict[str, object]]:
    """Print the results of one kind of request. Return the medians, and the ratios to oidc-provider in each round."""
    found: dict[str, dict[str, object]] = {}
    for name in rounds[0]:
        own = [one[name] for one in rounds]
        found[name] = {
            "rate": round(statistics.median(one.rate for one in own), 1),
            "p99_ms": round(statistics.median(one.p99_ms for one in own), 2),
            "database_us": round(statistics.median(one.database_us for one in own), 1),
            "ratios": sorted(round(one[name].rate / one[PEER].rate, 3) for one in rounds),
        }
    limit = ""
    if work.startswith("mint"):
        of_raw = statistics.median(one["SQLite"].rate for one in rounds) / statistics.median(raw[work[-5:]])
        limit = f"   {of_raw:.2f} × raw signing"
    print(f"  {work}{limit}")
    for name, one in found.items():
        low, middle, high = (sorted(one["ratios"])[at] for at in (0, len(rounds) // 2, -1))  # type: ignore[call-overload]
        speed = f"{one['rate']:>8,.0f}/s p99 {one['p99_ms']:6.1f} ms"
        ratio = f"{middle:5.2f} × {PEER} ({low:.2f}-{high:.2f})"
        print(f"    {name:<21} {speed}   {ratio}   database {one['database_us']:4.0f} us", flush=True)
    return found


def _raw(algorithm: str) -> float:
    """Return the bare signatures of `cryptography` in a second of processor time."""
    key = _KEYS[algorithm]
    message, calls = b"x" * 400, RAW_CALLS[algorithm]
    start = time.process_time()
    for _ in range(calls):
        if isinstance(key, rsa.RSAPrivateKey):
            key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.sign(message, ec.ECDSA(hashes.SHA256()))
    return calls / (time.process_time() - start)


_KEYS = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
}


def _load(server: Server, work: str, database: Callable[[], float]) -> Taken:
    path, bodies = _bodies(server, work)
    orders = {"ports": server.ports, "path": path, "seconds": SECONDS, "bodies": bodies, "renews": "refresh" in work}
    before, in_database = _cpu(server.processes), database()
    done = subprocess.run(
        [str(node()), str(HERE / "peers" / "load.mjs")],
        input=json.dumps(orders), capture_output=True, text=True, check=True, preexec_fn=lambda: _pin(1),
    )  # fmt: skip
    found = json.loads(done.stdout)
    # zitadel/oidc answers 500 if a new user code exists already. `native` is the client of the other servers.
    tolerated = found["count"] / 1000 if server.program.client_id == "native" else 0
    assert found["failed"] <= tolerated, f"{work}: {found['failed']} requests failed, such as {found['said']}"
    own = _cpu(server.processes) - before or found["seconds"]
    return Taken(found["count"] / own, found["p99_ms"], (database() - in_database) / found["count"] * 1e6)


def _cpu(processes: list[int]) -> float:
    """Return the mean processor time of processes in seconds, which is independent of other processes."""
    ticks = 0
    for process in processes:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") / len(processes)


def _bodies(server: Server, work: str) -> tuple[str, list[str]]:
    """Return the path and one request body for each connection."""
    program = server.program
    if work.startswith("mint"):
        api, scope = (ORDERS, "read:orders") if "RS256" in work else (STOCK, "read:stock")
        own = {"client_id": "machine", "client_secret": SECRET.reveal(), "resource": api, "scope": scope}
        return program.token, [urlencode({"grant_type": "client_credentials", **own})] * CONNECTIONS
    begin = urlencode({"client_id": program.client_id, "scope": "offline_access"})
    if work == "device request":
        return program.device, [begin] * CONNECTIONS
    if work == "pending poll":
        codes = [_post(server, program.device, begin)["device_code"] for _ in range(CONNECTIONS)]
        own = {"grant_type": DEVICE_CODE, "client_id": program.client_id}
        return program.token, [urlencode({**own, "device_code": code}) for code in codes]
    own = {"grant_type": "refresh_token", "client_id": program.client_id}
    tokens = [server.refresh.pop() for _ in range(CONNECTIONS)]
    return program.token, [urlencode({**own, "refresh_token": token}) for token in tokens]


def _post(server: Server, path: str, body: str) -> dict[str, str]:
    with urlopen(f"http://127.0.0.1:{server.ports[0]}{path}", body.encode()) as answer:
        found: dict[str, str] = json.load(answer)
    return found


@contextmanager
def _serving(program: Program) -> Iterator[Server]:
    with ExitStack() as stack:
        nodes = [stack.enter_context(_node(command, program.environment)) for command in program.commands]
        processes, founds = zip(*nodes, strict=True)
        yield Server(program, list(processes), [found["port"] for found in founds], founds[0]["refresh"])


@contextmanager
def _node(command: list[str], variables: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Start one node. Yield its process ID, and the JSON that the node prints when it is ready."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=variables,
        preexec_fn=lambda: _pin(0),  # noqa: PLW1509  there are no threads yet
    )
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if line.startswith("{")), None)
        assert line is not None, f"{command[:2]} did not start"
        yield process.pid, json.loads(line)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _build(folder: Path) -> Path | None:
    """Build the Go server and return the program, or None if the Go toolchain or the modules are missing."""
    compiler = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if compiler is None:
        print(f"  there is no Go toolchain: {GO} is left out")
        return None
    program = folder / "zitadel"
    command = [compiler, "build", "-o", str(program), "."]
    done = subprocess.run(command, cwd=HERE / "peers" / "zitadel", capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        print(f"  {GO} cannot be built, so it is left out: {reason}")
        return None
    return program


def _go_version(go: Path | None) -> dict[str, str]:
    if go is None:
        return {}
    lines = (HERE / "peers" / "zitadel" / "go.mod").read_text(encoding="utf-8").split()
    return {GO: lines[lines.index("github.com/zitadel/oidc/v3") + 1]}


def _version(package: Path) -> str:
    with contextlib.suppress(OSError):
        return str(json.loads(package.read_text(encoding="utf-8"))["version"])
    return "?"


def _node_version() -> str:
    return subprocess.run([str(node()), "--version"], capture_output=True, text=True, check=True).stdout.strip("v\n")


def _pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})

"""Three nodes on one PostgreSQL behind a real balancer: any of them answers any step, and they may die under load."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from urllib.parse import urlencode

import pytest

from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import Request, Response, form_request
from keyfob.server.decide.multifactor import one_time_code, step_of
from keyfob.testing.person import Person
from tests.postgres import Postgres
from tests.server.wires import CHALLENGE, VERIFIER, body_of
from tests.stories.real import proxies
from tests.stories.real.commands import Commands
from tests.tls import Ground, Made

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the balancer is Debian's")
ISSUER = "https://login.example.com/"
EMAIL, PASSWORD = "sam@example.com", "a word of sam and of nobody else"
FILE = """
[tenant]
issuer = "https://login.example.com/"
trusted_proxies = ["127.0.0.1/32"]
allows_password = true
default_directory = "Username-Password-Authentication"

[[applications]]
client_id = "native"
name = "Native"
grants = ["device_code", "authorization_code", "refresh_token", "password"]
callbacks = ["http://127.0.0.1:8484/callback"]

[[connections]]
name = "Username-Password-Authentication"
allows_password = true

[[users]]
email = "sam@example.com"
password = { env = "PASSWORD_OF_SAM" }
"""
CALLBACK = "http://127.0.0.1:8484/callback"
RETRIES = "    option redispatch 1\n    retry-on conn-failure empty-response\n"
LINE = "    server node1 127.0.0.1:8790 check\n"


class Nodes:
    """Nodes of one tenant, each with a folder of its own, and the balancer before them."""

    def __init__(self, folder: Path, database: str, opened: ExitStack) -> None:
        ground = Ground.at(folder)
        ground.server.lay(folder, "server")
        ground.server.lay_together(folder)
        self.authority: Made = ground.authority
        self.ports = [proxies.free_port() for _ in range(3)]
        self.port = proxies.free_port()
        self._database = database
        self._folder = folder
        master = folder / "master.key"
        master.write_bytes(os.urandom(32))
        master.chmod(0o600)
        self._nodes = [self._of(folder / f"node{number}") for number in range(3)]
        opened.callback(self._end)
        (folder / "tenant.toml").write_text(FILE, encoding="utf-8")
        self.processes = [self.start(0, str(folder / "tenant.toml"))]
        self.processes += [self.start(number) for number in (1, 2)]
        more = "".join(f"    server node{at} 127.0.0.1:{self.ports[at - 1]} check\n" for at in (2, 3))
        opened.enter_context(proxies.proxy("haproxy", self.port, self.ports[0], folder, (LINE, LINE + RETRIES + more)))

    def start(self, number: int, *words: str) -> subprocess.Popen[str]:
        node = self._nodes[number]
        return node.serve(self.ports[number], *words, "--database", self._database)[0]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the first node."""
        return self._nodes[0].run(*words, "--database", self._database)

    def _of(self, folder: Path) -> Commands:
        folder.mkdir()
        commands = Commands(folder)
        commands.environment["PASSWORD_OF_SAM"] = PASSWORD
        # All nodes have the same master key, which an operator copies.
        commands.environment["KEYFOB_MASTER_KEY"] = f"file:{self._folder / 'master.key'}"
        return commands

    def _end(self) -> None:
        for one in self._nodes:
            for process in one.running:
                process.kill()
                process.wait(10)
                for stream in (process.stdout, process.stderr):
                    if stream is not None:
                        stream.close()

    def send(self, request: Request) -> Response:
        """Send a request, with the ordinary retries of a client: no answer, 502, 503 and 504."""
        if not request.url.startswith(ISSUER):
            return Response(200, (("x-callback", request.url),))
        until = time.monotonic() + 60
        while True:
            try:
                answer = proxies.sender("127.0.0.1", self.authority, self.port)(request)
            except OSError:
                answer = Response(503)
            if answer.status not in {502, 503, 504} or time.monotonic() > until:
                return answer
            threading.Event().wait(0.2)

    def post(self, path: str, **form: str) -> Response:
        return self.send(form_request(f"{ISSUER}{path}", {"client_id": "native", **form}))


@pytest.fixture
def nodes(tmp_path: Path, postgres: Postgres) -> Iterator[Nodes]:
    with ExitStack() as opened:
        yield Nodes(tmp_path, postgres.new_database(), opened)


def device_login(nodes: Nodes, person: Person) -> dict[str, object]:
    """A whole login by device, in a browser that is logged in or not."""
    codes = body_of(nodes.post("oauth/device/code", scope="openid offline_access"))
    page = person.open(str(codes["verification_uri_complete"]))
    person.press("confirm")
    if "/u/login" in person.page.url:
        page = person.press("login", email=EMAIL, password=PASSWORD)
    assert "logged in" in person.page.text, page.text
    return body_of(nodes.post("oauth/token", grant_type=DEVICE_CODE, device_code=str(codes["device_code"])))


def refreshed(nodes: Nodes, tokens: dict[str, object]) -> dict[str, object]:
    again = nodes.post("oauth/token", grant_type="refresh_token", refresh_token=str(tokens["refresh_token"]))
    return {**tokens, **body_of(again)}


def is_accepted(nodes: Nodes, tokens: dict[str, object]) -> bool:
    bearer = (("authorization", f"Bearer {tokens['access_token']}"),)
    return nodes.send(Request("GET", f"{ISSUER}userinfo", bearer)).status == 200


def test_any_node_answers_any_step(nodes: Nodes) -> None:
    """Round robin without stickiness: device login, second factor, code, refresh, logout; settings; wrong guesses."""
    assert nodes.run("tenant", "apps", "list").returncode == 0
    person = Person(nodes.send)
    tokens = device_login(nodes, person)
    for _ in range(4):  # each of the nodes
        tokens = refreshed(nodes, tokens)
        assert is_accepted(nodes, tokens)
    # A second factor is enrolled in one browser, and completes a login by code in another.
    person.open(f"{ISSUER}u/enrol")
    if "/u/login" in person.page.url:
        person.press("login", email=EMAIL, password=PASSWORD)
    if "Then" not in person.page.text:
        person.press("enrol")
    words = person.page.text.split()
    secret = "".join(words[words.index("Then") - 8 : words.index("Then")])
    person.press("verify", code=one_time_code(base64.b32decode(secret), step_of(datetime.now(UTC))))
    assert "recovery code" in person.page.text
    other = Person(nodes.send)
    asked = {"client_id": "native", "response_type": "code", "redirect_uri": CALLBACK, "state": "s"}
    pkce = {"code_challenge": CHALLENGE, "code_challenge_method": "S256", "scope": "openid offline_access"}
    other.open(f"{ISSUER}authorize?{urlencode({**asked, **pkce})}")
    other.press("login", email=EMAIL, password=PASSWORD)
    assert "/u/mfa" in other.page.url
    step = step_of(datetime.now(UTC)) + 1  # a code is accepted once, and one step ahead is
    other.press("verify", code=one_time_code(base64.b32decode(secret), step))
    if "/u/consent" in other.page.url:
        other.press("approve")
    found = re.search(r"[?&]code=([^&]*)", other.page.response.header("x-callback") or "")
    assert found, other.page.text
    form = {"code": found[1], "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    tokens = body_of(nodes.post("oauth/token", grant_type="authorization_code", **form))
    assert is_accepted(nodes, tokens)
    assert nodes.post("oauth/revoke", token=str(tokens["refresh_token"])).status == 200
    assert [is_accepted(nodes, tokens) for _ in range(3)] == [False] * 3, "ended on every node"
    # A command changes the settings of all nodes. It is two seconds, and longer on a machine that is busy.
    assert nodes.run("tenant", "apps", "add", "Later", "--client-id", "later").returncode == 0
    changed = time.monotonic()
    while {nodes.post("oauth/device/code", client_id="later").status for _ in range(6)} != {200}:
        assert time.monotonic() - changed < 10
    # Wrong guesses count on all nodes together. So many codes are in use that others must log in first.
    statuses = []
    for last in "KLMN":
        other.open(f"{ISSUER}activate")
        other.press(user_code=f"BCDF-GHJ{last}")
        statuses.append(other.page.status)
    assert statuses == [400] * 3 + [429]
    # The first wait is one second, and the next are longer: a machine that needs longer for a guess meets a later one.
    guess = {"grant_type": "password", "username": "nobody@example.com", "password": "wrong"}
    guesses = takewhile(lambda status: status == 403, (nodes.post("oauth/token", **guess).status for _ in range(10)))
    assert 5 <= len(list(guesses)) < 10, "each of the nodes alone would allow five"


def test_a_node_is_killed_and_one_restarted_under_load(nodes: Nodes) -> None:
    """No login fails, and every token that was accepted holds."""
    is_over = threading.Event()

    def live(_: int) -> list[dict[str, object]]:
        person, all_tokens = Person(nodes.send), list[dict[str, object]]()
        while not is_over.is_set():
            tokens = refreshed(nodes, device_login(nodes, person))
            assert is_accepted(nodes, tokens)
            all_tokens.append(tokens)
        return all_tokens

    with ThreadPoolExecutor(3) as pool:
        living = [pool.submit(live, number) for number in range(3)]
        try:
            threading.Event().wait(2)
            nodes.processes[0].kill()
            nodes.processes[0].wait(30)
            threading.Event().wait(2)
            nodes.processes[1].send_signal(signal.SIGTERM)
            assert nodes.processes[1].wait(40) == 0
            nodes.processes[1] = nodes.start(1)
            nodes.processes[0] = nodes.start(0)
            threading.Event().wait(2)
        finally:
            is_over.set()
        lives = [one.result(120) for one in living]
    assert all(lives)
    for tokens in (tokens for life in lives for tokens in life[-5:]):
        assert is_accepted(nodes, tokens)
        refreshed(nodes, tokens)

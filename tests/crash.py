"""Kill a tenant and its database at random points under load, and compare every answer with what holds afterwards.

The clients go through logins by device and by code, refreshes and revocations. A request without an answer is sent
again after the crash. Each answer that a client received must hold: nothing is lost, and no code is redeemed twice.
"""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from keyfob.protocol.grants import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN
from keyfob.protocol.http import Request, Response
from keyfob.serve import Tenant, ready_config
from keyfob.server.start import READY_CLIENT_ID, READY_EMAIL
from keyfob.testing.person import Person
from tests.postgres import Postgres

CLIENTS: Final = 6
START_S: Final = 60
VERIFIER: Final = "v" * 43
CHALLENGE: Final = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
CALLBACK: Final = "http://127.0.0.1/callback"
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
Steps = Generator[None, None, None]


class Cut(Exception):
    """There was no answer: whether the request was carried out is unknown."""


class Results:
    """What clients have found.

    Attributes:
        lost: Answers that did not hold, in words.
        doubled: Codes that were redeemed twice, in words.
        counts: How often each step was done.
    """

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self.counts: Counter[str] = Counter()


class Client:
    """A program and its user, who do one step after the other, and again those that had no answer."""

    def __init__(self, port: int, password: str, results: Results) -> None:
        self._port = port
        self._password = password
        self._results = results
        self._connection = HTTPConnection("127.0.0.1", port, timeout=20)
        self._person = Person(self._send)
        self._steps = self._live()
        self.broken: BaseException | None = None

    def run(self, is_over: threading.Event) -> None:
        """Do steps until one has no answer, or the round is over."""
        try:
            while not is_over.is_set():
                next(self._steps)
        except BaseException as problem:  # noqa: BLE001  told by the round
            self.broken = problem
        self._connection.close()

    def _live(self) -> Steps:
        while True:
            yield from random.choice((self._device_login, self._code_login))()

    def _device_login(self) -> Steps:
        codes = yield from self._answered(
            "begin", lambda: self._post("oauth/device/code", scope="offline_access openid")
        )
        poll = {"grant_type": DEVICE_CODE, "device_code": str(codes["device_code"])}
        yield from self._repeated("approve", lambda: self._approve(str(codes["verification_uri_complete"])))
        yield from self._redeemed(poll)

    def _code_login(self) -> Steps:
        code = yield from self._repeated("authorize", self._authorize)
        form = {"grant_type": AUTHORIZATION_CODE, "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        yield from self._redeemed(form)

    def _redeemed(self, form: dict[str, str]) -> Steps:
        """Redeem a code, use what it gives, and try to redeem it again."""
        status, tokens, is_unsure = yield from self._tried("redeem", lambda: self._post("oauth/token", **form))
        if status != 200:
            if not is_unsure:
                self._results.lost.append(f"a code: {status} {tokens}")
            self._results.counts["answers lost to the crash"] += 1
            return
        for _ in range(random.randrange(4)):
            yield from self._used(tokens)
            again = {"grant_type": REFRESH_TOKEN, "refresh_token": str(tokens["refresh_token"])}
            status, fresh, _ = yield from self._tried("refresh", lambda form=again: self._post("oauth/token", **form))  # type: ignore[misc]
            if status != 200:
                self._results.lost.append(f"a refresh token: {status} {fresh}")
                return
            tokens = {**tokens, **fresh}
        yield from self._used(tokens)
        is_ended = random.random() < 0.5
        if is_ended:
            yield from self._answered("revoke", lambda: self._post("oauth/revoke", token=str(tokens["refresh_token"])))
            again = {"grant_type": REFRESH_TOKEN, "refresh_token": str(tokens["refresh_token"])}
            status, fresh, _ = yield from self._tried("refresh revoked", lambda: self._post("oauth/token", **again))
            if status == 200:
                self._results.lost.append("a revocation")
        status, fresh, _ = yield from self._tried("redeem again", lambda: self._post("oauth/token", **form))
        if status == 200:
            self._results.doubled.append(f"a {form['grant_type']}")

    def _used(self, tokens: dict[str, object]) -> Steps:
        """The access token, which was issued, is accepted."""

        def use() -> tuple[int, dict[str, object]]:
            return self._ask("GET", "/userinfo", "", {"authorization": f"Bearer {tokens['access_token']}"})

        status, found, _ = yield from self._tried("use", use)
        if status != 200:
            self._results.lost.append(f"an access token: {status} {found}")

    def _tried(
        self, name: str, request: Callable[[], tuple[int, dict[str, object]]]
    ) -> Generator[None, None, tuple[int, dict[str, object], bool]]:
        """Send a request until it is answered. Return whether an earlier one had no answer, too."""
        is_unsure = False
        while True:
            yield
            try:
                status, found = request()
            except Cut:
                is_unsure = True
                self._results.counts["no answer"] += 1
                continue
            if status in {429, 503} or found.get("error") in {"slow_down", "temporarily_unavailable"}:
                is_unsure = is_unsure or status == 503
                self._results.counts[f"status {status}"] += 1
                threading.Event().wait(0.02)
                continue
            self._results.counts[name] += 1
            return status, found, is_unsure

    def _answered(
        self, name: str, request: Callable[[], tuple[int, dict[str, object]]]
    ) -> Generator[None, None, dict[str, object]]:
        status, found, _ = yield from self._tried(name, request)
        if status != 200:
            self._results.lost.append(f"{name}: {status} {found}")
        return found

    def _repeated(self, name: str, act: Callable[[], str]) -> Generator[None, None, str]:
        """Do something in the browser until it comes to its end."""
        while True:
            yield
            with suppress(Cut):
                if done := act():
                    self._results.counts[name] += 1
                    return done
                threading.Event().wait(0.02)
                continue
            self._results.counts["no answer"] += 1

    def _approve(self, url: str) -> str:
        self._person.open(url)
        return self._pressed("logged in")

    def _authorize(self) -> str:
        asked = {"client_id": READY_CLIENT_ID, "response_type": "code", "redirect_uri": CALLBACK, "state": "s"}
        pkce = {"code_challenge": CHALLENGE, "code_challenge_method": "S256", "scope": "openid offline_access"}
        self._person.open(f"http://127.0.0.1:{self._port}/authorize?{urlencode({**asked, **pkce})}")
        self._pressed("")
        address = self._person.page.response.header("x-callback") or ""
        return parse_qs(urlsplit(address).query).get("code", [""])[0]

    def _pressed(self, words: str) -> str:
        """Press what the pages want, until they say that it is done. Return "" if they do not."""
        for _ in range(4):
            page = self._person.page
            if words and words in page.text and not page.forms:
                return words
            if page.status == 503 or not page.forms:
                return ""
            offered = {value for form in page.forms for pair in form.buttons for value in pair}
            if "login" in offered:
                self._person.press("login", email=READY_EMAIL, password=self._password)
                self._results.counts[f"password {self._person.page.status}"] += 1
            else:
                self._person.press(next(one for one in ("confirm", "approve", "continue") if one in offered))
        return words if words and words in self._person.page.text and not self._person.page.forms else ""

    def _post(self, path: str, **form: str) -> tuple[int, dict[str, object]]:
        return self._ask("POST", f"/{path}", urlencode({"client_id": READY_CLIENT_ID, **form}), FORM)

    def _ask(self, method: str, path: str, body: str, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
        answer = self._exchange(method, path, body.encode(), headers)
        found = json.loads(answer.body) if answer.body.startswith(b"{") else {}
        return answer.status, found

    def _send(self, request: Request) -> Response:
        parts = urlsplit(request.url)
        if parts.port != self._port:
            return Response(200, (("x-callback", request.url),))
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self._exchange(request.method, path, request.body, dict(request.headers))

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Response:
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            self._connection.close()
            threading.Event().wait(0.01)
            raise Cut from None
        return Response(answer.status, tuple((name.lower(), value) for name, value in answer.getheaders()), content)


def serve(words: list[str]) -> None:
    """Be `keyfob serve`, with its output thrown away."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    from keyfob.cli.main import main

    raise SystemExit(main(words))


class Crashes:
    """A tenant with its store, which are killed and started again.

    Attributes:
        results: What the clients have found so far.
    """

    def __init__(self, folder: Path, postgres: Postgres | None = None) -> None:
        """Start a tenant in a folder, on SQLite or in a new database."""
        self.results = Results()
        self._postgres = postgres
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = int(free.getsockname()[1])
        database = postgres.new_database() if postgres else ""
        tenant = Tenant.follow(folder, ready_config(f"http://127.0.0.1:{self._port}/"), database=database)
        assert tenant.first_user is not None
        password = tenant.first_user.password.reveal()
        tenant.close()
        self._words = ["serve", "--port", str(self._port), "--data", str(folder), "--dev"]
        self._words += ["--database", database] if database else []
        # Forked from a process that has loaded everything, so that a start takes a tenth of a second.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.crash", "keyfob.cli.serving", "keyfob.server.io.postgresql"])
        self._process = self._start()
        self._clients = [Client(self._port, password, self.results) for _ in range(CLIENTS)]

    def round(self, seconds: float, *, kills_tenant: bool, kills_database: bool) -> None:
        """Load the tenant for a while, kill, and start again, with the clients at it all the time."""
        is_over = threading.Event()
        threads = [threading.Thread(target=client.run, args=(is_over,)) for client in self._clients]
        for thread in threads:
            thread.start()
        threading.Event().wait(seconds)
        if kills_database and self._postgres is not None:
            self._postgres.kill()
        if kills_tenant:
            self._process.kill()
            self._process.join()
        if kills_database and self._postgres is not None:
            self._postgres.start()
        if kills_tenant:
            self._process = self._start()
        self._wait_until_ready()
        is_over.set()
        for thread in threads:
            thread.join()
        broken = [client.broken for client in self._clients if client.broken is not None]
        if broken:
            raise broken[0]

    def close(self) -> None:
        """Do without failures what clients have begun, and end."""
        self.round(1, kills_tenant=False, kills_database=False)
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGTERM)
        self._process.join()

    def kill(self) -> None:
        """End, whatever the state."""
        self._process.kill()
        self._process.join()

    def _start(self) -> multiprocessing.process.BaseProcess:
        process = self._context.Process(target=serve, args=(self._words,), daemon=True)
        process.start()
        self._wait_until_ready(process)
        return process

    def _wait_until_ready(self, process: multiprocessing.process.BaseProcess | None = None) -> None:
        until = time.monotonic() + START_S
        while True:
            assert process is None or process.is_alive(), "the tenant does not start"
            assert time.monotonic() < until, "the tenant is not ready"
            connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
            with suppress(OSError, HTTPException):
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    connection.close()
                    return
            connection.close()
            threading.Event().wait(0.01)


def run(
    folder: Path, rounds: int, postgres: Postgres | None = None, tell: Callable[[int], None] | None = None
) -> Results:
    """Kill that many times. Return what the clients have found."""
    crashes = Crashes(folder, postgres)
    try:
        for number in range(rounds):
            tenant, database = random.choice([(True, True), (False, True), (True, False)])
            if postgres is None:
                tenant, database = True, False
            crashes.round(random.uniform(0.05, 0.4), kills_tenant=tenant, kills_database=database)
            if tell is not None:
                tell(number + 1)
        crashes.close()
    finally:
        crashes.kill()
    return crashes.results

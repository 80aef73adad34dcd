"""Many processes refresh one expired login at the same time, at a real tenant with one-time refresh tokens.

Some processes are killed during the refresh, and some start with an outdated copy of the login. `run` returns the
result. Each process is a `refresh_race_worker`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.storage_choice import Policy
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import KeyfobError
from keyfob.login import App, CodeShown, Notice
from keyfob.run import run as blocking
from keyfob.serve import Running, Tenant, bind, ready_config, url_of
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID
from keyfob.testing.person import Person
from tests.races import refresh_race_worker
from tests.races.refresh_race_worker import PROCESS_HEADER, expired

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


@dataclass
class Round:
    """The result of one round.

    Attributes:
        refreshes: The number of refreshes that succeeded at the tenant.
        refused: The number of refreshes that the tenant refused.
        killed: The number of processes that were killed, each during its refresh.
        tokens: The fingerprints of the access tokens of the other processes; one is correct.
        errors: The codes of the errors of the other processes.
        generations: The increase of the generation of the stored login; one is correct.
    """

    refreshes: int = 0
    refused: int = 0
    killed: int = 0
    tokens: set[str] = field(default_factory=set[str])
    errors: list[str] = field(default_factory=list[str])
    generations: int = 0


@dataclass
class RaceResult:
    """The result of all rounds.

    Attributes:
        is_alive: Whether the login can still be refreshed at the end.
        damaged: Files that the vault set aside as damaged.
        left_over: Unexpected files in the folder of the vault.
    """

    rounds: list[Round]
    is_alive: bool
    damaged: list[str]
    left_over: list[str]


class _RefreshCounter:
    """An ASGI application around the tenant, which counts refreshes and kills some of the clients."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self.round = Round()
        self.to_kill = 0

    async def __call__(self, scope: Message, receive: object, answer: Send) -> None:
        if scope.get("path") != "/oauth/token":
            await self._app(scope, receive, answer)
            return
        headers = dict(scope["headers"])
        process = headers.get(PROCESS_HEADER.encode())

        dies_after_response = False

        async def send_counted(message: Message) -> None:
            nonlocal dies_after_response
            if process is not None and message["type"] == "http.response.start":
                if message["status"] == HTTPStatus.OK:
                    self.round.refreshes += 1
                else:
                    self.round.refused += 1
                if self.to_kill:
                    self.to_kill -= 1
                    self.round.killed += 1
                    dies_after_response = self.to_kill % 2 == 1
                    if not dies_after_response:
                        # The old refresh token is spent, and the client has not received the new one.
                        os.kill(int(process), signal.SIGKILL)
            await answer(message)
            if process is not None and dies_after_response and message["type"] == "http.response.body":
                # The client is between receiving the response and storing it.
                os.kill(int(process), signal.SIGKILL)

        await self._app(scope, receive, send_counted)


def run(folder: Path, *, processes: int, rounds: int, kills: int, store: Policy = "file") -> RaceResult:
    """Run all rounds and return their results. All processes have ended when this returns.

    Args:
        folder: An empty folder.
        processes: The number of processes; every fifth starts each round with its copy from the previous round.
        rounds: How often the login expires.
        kills: The number of processes to kill in each round but the first.
        store: Where the tokens are stored.
    """
    home = folder / "home"
    with ExitStack() as stack:
        listener = bind("127.0.0.1", 0)
        config = replace(ready_config(url_of(listener)), device_interval=timedelta(seconds=1))
        tenant = stack.enter_context(closing(Tenant.open(folder / "tenant", config, with_first_user=True)))
        counter = _RefreshCounter(tenant.app)
        running = Running(counter, listener)
        stack.callback(running.stop)
        assert tenant.first_user is not None
        app = App(issuer=running.url, client_id=READY_CLIENT_ID, audience=READY_AUDIENCE, profile="default", home=home,
                  store=store)  # fmt: skip
        app.log_in(_approving(tenant.first_user.email, tenant.first_user.password.reveal()))
        vault = FileVault(home, Seals(home))
        words = [
            sys.executable,
            refresh_race_worker.__file__,
            running.url,
            READY_CLIENT_ID,
            READY_AUDIENCE,
            str(home),
        ]
        workers = [_Worker([*words, "stale" if at % 5 == 4 else "fresh"]) for at in range(processes)]
        for worker in workers:
            stack.callback(worker.kill)
        done: list[Round] = []
        for at in range(rounds):
            counter.round, counter.to_kill = Round(), kills if at else 0
            before = _expire(vault)
            alive = [worker for worker in workers if worker.send("go")]
            lines = [worker.receive() for worker in alive]
            counter.round.tokens = {line[6:] for line in lines if line.startswith("token ")}
            counter.round.errors = [line for line in lines if line.startswith("error ")]
            after = blocking(vault.load("default"))
            counter.round.generations = (after.generation if after else 0) - before.generation
            counter.to_kill = 0
            done.append(counter.round)
            workers = [worker for worker, line in zip(alive, lines, strict=True) if line]
        _expire(vault)
        is_alive = _can_refresh(app)
        names = sorted(path.name for path in vault.folder.iterdir())
        damaged = [name for name in names if "damaged" in name]
        usual = {"default.json", "default.lock"}
        return RaceResult(
            done, is_alive, damaged, [name for name in names if name not in usual and name not in damaged]
        )


class _Worker:
    def __init__(self, words: list[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)
        assert self.receive() == "ready"

    def send(self, word: str) -> bool:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def receive(self) -> str:
        """Return the next line, or "" if the process was killed."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def _approving(email: str, password: str) -> Callable[[Notice], None]:
    def notify(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            person = Person()
            person.open(notice.verification_uri)
            person.press("continue", user_code=notice.user_code)
            person.press("confirm")
            person.press("login", email=email, password=password)

    return notify


def _expire(vault: FileVault) -> StoredLogin:
    with vault.lock("default"):
        stored = blocking(vault.load("default"))
        assert stored is not None
        assert stored.expires_at is not None
        blocking(vault.save("default", expired(stored)))
        return stored


def _can_refresh(app: App) -> bool:
    try:
        app.session().token()
    except KeyfobError:
        return False
    return True

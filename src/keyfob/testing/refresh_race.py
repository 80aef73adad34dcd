"""A race: many real processes with one lapsed login, at a real tenant whose refresh tokens are for one use.

Some are killed in the middle of the refresh that they do for all, some begin with a copy of the login that is long out
of date. `run` tells what came of it; each process is a `refresh_race_worker`.
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
from keyfob.testing import refresh_race_worker
from keyfob.testing.person import Person
from keyfob.testing.refresh_race_worker import PROCESS_HEADER, lapsed

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


@dataclass
class Round:
    """What came of one round.

    Attributes:
        refreshes: How many the tenant did.
        refused: How many it did not.
        killed: How many processes were killed for it, each in the middle of its refresh.
        tokens: The fingerprints of what the others got; one, if all is well.
        errors: The codes of what they got instead.
        generations: By how much the vault's counter went on; one, if all is well.
    """

    refreshes: int = 0
    refused: int = 0
    killed: int = 0
    tokens: set[str] = field(default_factory=set[str])
    errors: list[str] = field(default_factory=list[str])
    generations: int = 0


@dataclass
class Outcome:
    """What came of the race.

    Attributes:
        is_alive: Whether the login still refreshes after it all.
        damaged: Files that were set aside.
        left_over: Other files in the vault's folder than there should be.
    """

    rounds: list[Round]
    is_alive: bool
    damaged: list[str]
    left_over: list[str]


class _Watched:
    """The tenant, with somebody who counts refreshes and kills whoever does one."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self.now = Round()
        self.to_kill = 0

    async def __call__(self, scope: Message, receive: object, answer: Send) -> None:
        if scope.get("path") != "/oauth/token":
            await self._app(scope, receive, answer)
            return
        headers = dict(scope["headers"])
        worker = headers.get(PROCESS_HEADER.encode())

        dies_with_answer = False

        async def tap(message: Message) -> None:
            nonlocal dies_with_answer
            if worker is not None and message["type"] == "http.response.start":
                if message["status"] == HTTPStatus.OK:
                    self.now.refreshes += 1
                else:
                    self.now.refused += 1
                if self.to_kill:
                    self.to_kill -= 1
                    self.now.killed += 1
                    dies_with_answer = self.to_kill % 2 == 1
                    if (
                        not dies_with_answer
                    ):  # the old tokens are dead, and whoever asked dies before it has the new ones
                        os.kill(int(worker), signal.SIGKILL)
            await answer(message)
            if worker is not None and dies_with_answer and message["type"] == "http.response.body":
                os.kill(int(worker), signal.SIGKILL)  # somewhere between reading the answer and having kept it

        await self._app(scope, receive, tap)


def run(folder: Path, *, processes: int, rounds: int, kills: int, store: Policy = "file") -> Outcome:
    """Run it; blocks until it is over, and leaves nothing running.

    Args:
        folder: An empty one.
        processes: How many; every fifth begins each round with a copy from the round before.
        rounds: How often the login lapses.
        kills: How many processes are killed in each round but the first.
        store: How tokens are kept.
    """
    home = folder / "home"
    with ExitStack() as stack:
        listener = bind("127.0.0.1", 0)
        config = replace(ready_config(url_of(listener)), device_interval=timedelta(seconds=1))
        tenant = stack.enter_context(closing(Tenant.open(folder / "tenant", config, with_first_user=True)))
        watched = _Watched(tenant.app)
        running = Running(watched, listener)
        stack.callback(running.stop)
        assert tenant.first_user is not None
        app = App(issuer=running.url, client_id=READY_CLIENT_ID, audience=READY_AUDIENCE, home=home, store=store)
        app.log_in(_approving(tenant.first_user.email, tenant.first_user.password.reveal()))
        vault = FileVault(home, Seals(home))
        words = [
            sys.executable,
            "-m",
            refresh_race_worker.__name__,
            running.url,
            READY_CLIENT_ID,
            READY_AUDIENCE,
            str(home),
        ]
        workers = [_Worker([*words, "stale" if at % 5 == 4 else "fresh"]) for at in range(processes)]
        for worker in workers:
            stack.callback(worker.end)
        done: list[Round] = []
        for at in range(rounds):
            watched.now, watched.to_kill = Round(), kills if at else 0
            before = _lapse(vault)
            alive = [worker for worker in workers if worker.say("go")]
            told = [worker.hear() for worker in alive]
            watched.now.tokens = {said[6:] for said in told if said.startswith("token ")}
            watched.now.errors = [said for said in told if said.startswith("error ")]
            after = blocking(vault.load("default"))
            watched.now.generations = (after.generation if after else 0) - before.generation
            watched.to_kill = 0
            done.append(watched.now)
            workers = [worker for worker, said in zip(alive, told, strict=True) if said]
        _lapse(vault)
        is_alive = _refreshes(app)
        names = sorted(path.name for path in vault.folder.iterdir())
        damaged = [name for name in names if "damaged" in name]
        usual = {"default.json", "default.lock"}
        return Outcome(done, is_alive, damaged, [name for name in names if name not in usual and name not in damaged])


class _Worker:
    def __init__(self, words: list[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)  # noqa: S603  one of ourselves
        assert self.hear() == "ready"

    def say(self, word: str) -> bool:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def hear(self) -> str:
        """One line, or "" from whoever was killed."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> None:
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


def _lapse(vault: FileVault) -> StoredLogin:
    with vault.lock("default"):
        stored = blocking(vault.load("default"))
        assert stored is not None
        assert stored.expires_at is not None
        blocking(vault.save("default", lapsed(stored)))
        return stored


def _refreshes(app: App) -> bool:
    try:
        app.session().token()
    except KeyfobError:
        return False
    return True

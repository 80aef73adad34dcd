"""A refresh at an issuer without mercy: no foreseeable trouble loses a login, and no refresh token is replayed."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.io.world import SystemWorld
from keyfob.client.model.storage_choice import Note
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import InvalidToken, KeyfobError, LoginRequired, Malformed, VaultUnavailable
from keyfob.login import App, aio
from keyfob.protocol.http import Request, Response
from keyfob.run import run
from keyfob.testing.fake_key_storage import FakeKeyStorage, FakeKeyStorages
from keyfob.testing.strict_issuer import StrictIssuer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits and signals are POSIX")
LAPSED, IN_ITS_LAST_SECONDS = timedelta(seconds=-1), timedelta(seconds=20)


class Terminal:
    """One person's machine: the vault of a login at the strict issuer, and programs that use it."""

    def __init__(self, home: Path, left: timedelta = LAPSED) -> None:
        self.issuer = StrictIssuer()
        self.home = home
        self.left = left
        run(FileVault(home).save("default", self.issuer.log_in(self.app().profile, expires_in=left)))

    def app(self, vault: FileVault | None = None) -> App:
        world = SystemWorld(http=self.issuer.send, home=self.home)
        return App(
            issuer=self.issuer.issuer,
            client_id="cli",
            profile="default",
            vault=vault or FileVault(self.home),
            world=world,
        )

    def token(self, vault: FileVault | None = None) -> str:
        return self.app(vault).session().token()

    def stored(self) -> StoredLogin:
        found = run(FileVault(self.home).load("default"))
        assert found is not None
        return found

    def works_on(self) -> bool:
        """Whether the next program can refresh, without a reuse."""
        is_good = self.issuer.works(self.stored().refresh_token)
        return is_good and self.issuer.reuses == []


@contextmanager
def full_disk() -> Generator[None]:
    """No file may grow beyond 2 KiB: the kernel refuses what is more, as where a quota is used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # An import would write half of its bytecode, which Python 3.11 does not notice, and no later import could read it.
    wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sys.dont_write_bytecode = wrote


def test_on_a_full_disk_no_refresh_token_is_spent(tmp_path: Path) -> None:
    """[FC-01]"""
    machine = Terminal(tmp_path)

    for _ in range(2):
        with full_disk(), pytest.raises(VaultUnavailable) as caught:
            machine.token()

    assert caught.value.exit == 8
    assert machine.issuer.refreshes == 0
    assert machine.token() == "at-1-2"
    assert machine.works_on()
    assert [path.name for path in (tmp_path / "vault").iterdir() if path.name.startswith(".")] == []


def test_on_a_full_disk_a_token_that_is_valid_is_used(tmp_path: Path) -> None:
    """[FC-01]"""
    machine = Terminal(tmp_path, IN_ITS_LAST_SECONDS)

    with full_disk():
        assert machine.token() == "at-1-1"

    assert machine.issuer.refreshes == 0


def test_where_more_than_a_plain_file_is_required_a_plain_login_spends_nothing(tmp_path: Path) -> None:
    """[FC-01]"""
    machine = Terminal(tmp_path)
    Seals(tmp_path)._remember(Note("file"))

    with pytest.raises(VaultUnavailable):
        machine.token(FileVault(tmp_path, Seals(tmp_path, "require")))

    assert machine.issuer.refreshes == 0


def test_while_the_key_cannot_be_had_nothing_is_spent(tmp_path: Path) -> None:
    """[FC-01]: a plain login of an earlier version, and a keyring that is locked now."""
    machine = Terminal(tmp_path)
    Seals(tmp_path)._remember(Note("keyring"))
    keyring = FakeKeyStorage(trouble="key-locked")
    vault = FileVault(tmp_path, Seals(tmp_path, places=FakeKeyStorages(keyring=keyring)))

    with pytest.raises(VaultUnavailable):
        machine.token(vault)

    assert machine.issuer.refreshes == 0


def test_a_disk_that_fills_up_during_the_exchange_has_room_for_the_answer(tmp_path: Path) -> None:
    """[FC-01]: what was reserved is used."""
    machine = Terminal(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fills_up(_: Request, __: Response) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))

    machine.issuer.before_answer = fills_up
    try:
        assert machine.token() == "at-1-2"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert machine.works_on()


@contextmanager
def exits_on(number: signal.Signals) -> Generator[None]:
    before = signal.signal(number, lambda *_: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_during_the_exchange_ends_the_program_and_not_the_login(
    tmp_path: Path, number: signal.Signals
) -> None:
    """[FC-02]"""
    machine = Terminal(tmp_path)
    machine.issuer.before_answer = lambda *_: os.kill(os.getpid(), number)

    with exits_on(number), pytest.raises(SystemExit):
        machine.token()

    assert machine.issuer.refreshes == 1
    assert machine.works_on()
    assert machine.token() == "at-1-2"


def test_ctrl_c_is_ctrl_c_afterwards(tmp_path: Path) -> None:
    """[FC-02]"""
    machine = Terminal(tmp_path)
    machine.issuer.before_answer = lambda *_: os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        machine.token()

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert machine.works_on()


def test_a_second_signal_acts_at_once(tmp_path: Path) -> None:
    """[FC-02]"""
    machine = Terminal(tmp_path)
    seen: list[str] = []

    def twice(_: Request, __: Response) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        seen.append("first")
        os.kill(os.getpid(), signal.SIGINT)
        seen.append("second")

    machine.issuer.before_answer = twice
    with pytest.raises(KeyboardInterrupt):
        machine.token()

    assert seen == ["first"]


def cancelled_during_the_exchange(machine: Terminal, end: Callable[[], object]) -> None:
    """Run a task, cancel it while the answer is on its way, and call `end` when the task has ended."""
    under_way, may_answer = threading.Event(), threading.Event()

    def answers(_: Request, __: Response) -> None:
        under_way.set()
        may_answer.wait(10)

    machine.issuer.before_answer = answers

    async def act() -> None:
        task = asyncio.ensure_future(aio.App(machine.app()).session().token())
        await asyncio.to_thread(under_way.wait, 10)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, may_answer.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        end()

    asyncio.run(act())


def test_a_cancelled_task_ends_when_its_exchange_has(tmp_path: Path) -> None:
    """[FC-02]"""
    machine = Terminal(tmp_path)

    cancelled_during_the_exchange(machine, lambda: machine.works_on() or pytest.fail("the answer was lost"))

    assert machine.token() == "at-1-2"
    assert machine.issuer.refreshes == 1


def test_an_exchange_outlives_its_event_loop(tmp_path: Path) -> None:
    """[FC-02]: cancelled twice, the task ends at once, and another program waits for the lock all the same."""
    machine = Terminal(tmp_path)
    under_way, may_answer = threading.Event(), threading.Event()

    def answers(_: Request, __: Response) -> None:
        under_way.set()
        may_answer.wait(10)

    machine.issuer.before_answer = answers

    async def act() -> None:
        task = asyncio.ensure_future(aio.App(machine.app()).session().token())
        await asyncio.to_thread(under_way.wait, 10)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(act())
    threading.Timer(0.1, may_answer.set).start()
    assert machine.token() == "at-1-2"
    assert machine.works_on()
    assert machine.issuer.refreshes == 1


FLAWS: dict[str, tuple[Callable[[dict[str, object]], dict[str, object]], type[KeyfobError]]] = {
    "a lifetime that is no number": (lambda said: said | {"expires_in": "soon"}, Malformed),
    "another token type": (lambda said: said | {"token_type": "mac"}, Malformed),
    "no access token": (lambda said: {name: said[name] for name in said if name != "access_token"}, Malformed),
    "no ID token, but something": (lambda said: said | {"id_token": "what.is.this"}, InvalidToken),
    "a scope that is a number": (lambda said: said | {"scope": 7}, Malformed),
}


@pytest.mark.parametrize("case", FLAWS)
def test_a_refresh_token_is_not_replayed_after_an_answer_that_fails_a_check(tmp_path: Path, case: str) -> None:
    """[FC-03]"""
    machine = Terminal(tmp_path)
    machine.issuer.flaw, problem = FLAWS[case]

    for spent in (1, 2):
        with pytest.raises(problem):
            machine.token()
        assert machine.issuer.refreshes == spent
        assert machine.stored().access_token.reveal() == "at-1-1"

    machine.issuer.flaw = dict
    assert machine.token() == "at-1-4"
    assert machine.works_on()


CLAIMS: dict[str, dict[str, object]] = {
    "of another user": {"sub": "auth0|2"},
    "for another client": {"aud": "another"},
    "of another login": {"nonce": "n-2"},
    "that has expired": {"exp": 1},
}


@pytest.mark.parametrize("case", CLAIMS)
def test_an_id_token_that_is_refused_loses_no_refresh_token(tmp_path: Path, case: str) -> None:
    """[FC-03]"""
    machine = Terminal(tmp_path)
    machine.issuer.subject, machine.issuer.claims = "auth0|1", CLAIMS[case]
    run(FileVault(tmp_path).save("default", machine.issuer.log_in(machine.app().profile, expires_in=LAPSED)))

    with pytest.raises(InvalidToken):
        machine.token()
    machine.issuer.claims = {}

    assert machine.token() == "at-2-3"
    assert machine.works_on()


def test_a_refresh_token_that_cannot_be_kept_is_a_login_that_is_needed(tmp_path: Path) -> None:
    """[FC-03]"""
    machine = Terminal(tmp_path)
    machine.issuer.flaw = lambda said: said | {"refresh_token": 7}

    with pytest.raises(Malformed):
        machine.token()
    with pytest.raises(LoginRequired):
        machine.token()

    assert machine.issuer.refreshes == 1
    assert machine.issuer.reuses == []


def test_a_valid_token_is_used_although_the_answer_fails_a_check(tmp_path: Path) -> None:
    """[FC-03]"""
    machine = Terminal(tmp_path, IN_ITS_LAST_SECONDS)
    machine.issuer.flaw, _ = FLAWS["another token type"]

    assert machine.token() == "at-1-1"
    assert machine.works_on()

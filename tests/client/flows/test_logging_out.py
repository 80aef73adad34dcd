"""A logout forgets here whatever happens: a server that hangs, a person in a hurry, a task that is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

import pytest

from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import Vault
from keyfob.errors import LoginRequired, Unreachable, VaultUnavailable
from keyfob.login import App, aio
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import ScriptedWorld, Silence
from tests.client.blocking import Session
from tests.client.scripts import PROFILE, stored

NAME = PROFILE.name


def logged_in(vault: MemoryVault | None = None) -> MemoryVault:
    vault = vault or MemoryVault()
    run(vault.save(NAME, stored()))
    return vault


def app_of(vault: Vault, world: ScriptedWorld) -> App:
    return App(issuer=PROFILE.issuer, client_id=PROFILE.client_id, audience=PROFILE.audience, profile=NAME, vault=vault,
               world=world)  # fmt: skip


@pytest.mark.parametrize("trouble", [Response(200), Response(503), Silence(), Unreachable("gone")], ids=repr)
def test_the_login_is_forgotten_before_the_server_is_asked(trouble: Response | Silence | Unreachable) -> None:
    """Whatever becomes of this process while the server does not answer, nothing is left here."""
    vault, world, seen = logged_in(), ScriptedWorld({"/revoke": [trouble]}), list[StoredLogin | None]()
    world.meanwhile["/revoke"] = lambda: seen.append(run(vault.load(NAME)))

    Session(PROFILE, vault, world).log_out()

    assert seen
    assert set(seen) == {None}


class Enough(BaseException):
    """Neither an error of ours nor of anybody else's."""


@pytest.mark.parametrize("why", [KeyboardInterrupt, SystemExit, Enough])
def test_whoever_has_had_enough_of_a_server_has_nothing_left_here(why: type[BaseException]) -> None:
    vault, world = logged_in(), ScriptedWorld({})
    world.meanwhile["/revoke"] = lambda: raises(why)

    with pytest.raises(why):
        Session(PROFILE, vault, world).log_out()

    assert run(vault.load(NAME)) is None


def raises(why: type[BaseException]) -> None:
    raise why


@pytest.mark.parametrize("why", [KeyboardInterrupt, SystemExit, Enough])
def test_whoever_has_had_enough_of_a_lock_has_nothing_left_here(why: type[BaseException]) -> None:
    class Waited(MemoryVault):
        @asynccontextmanager
        async def lock(self, _drawer: str, _on_wait: object = None) -> AsyncGenerator[bool]:
            raises(why)
            yield True

    vault = logged_in(Waited())

    with pytest.raises(why):
        Session(PROFILE, vault, ScriptedWorld({})).log_out()

    assert run(vault.load(NAME)) is None


class Stuck(MemoryVault):
    """Somebody holds its lock and does not let go."""

    @asynccontextmanager
    async def lock(self, entry: str, _on_wait: object = None) -> AsyncGenerator[bool]:
        raise VaultUnavailable(f"another keyfob holds the lock of {entry}")
        yield True


def test_a_lock_that_nobody_lets_go_of_keeps_no_login_here() -> None:
    vault, world = logged_in(Stuck()), ScriptedWorld({"/revoke": [Response(200)]})

    done = Session(PROFILE, vault, world).log_out()

    assert done.revoked is True
    assert run(vault.load(NAME)) is None


class Fast(MemoryVault):
    """Nothing can be taken out of it."""

    async def delete(self, entry: str) -> None:
        raise VaultUnavailable(f"{entry} cannot be removed", code="vault-readonly")


def test_what_cannot_be_forgotten_is_ended_at_the_server_all_the_same_and_said() -> None:
    vault, world = logged_in(Fast()), ScriptedWorld({"/revoke": [Response(200), Response(200)]})

    with pytest.raises(VaultUnavailable):
        Session(PROFILE, vault, world).log_out()

    assert len(world.requests("/revoke")) == 2


def test_a_quick_file_that_stays_keeps_no_login_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    vault = FileVault(tmp_path)
    run(vault.save(NAME, stored()))
    (tmp_path / "quick" / NAME / "no file").mkdir(parents=True)

    with pytest.raises(VaultUnavailable):
        Session(PROFILE, vault, ScriptedWorld({"/revoke": [Response(200)]})).log_out()

    assert run(vault.load(NAME)) is None


def test_a_login_that_came_while_the_server_was_told_of_the_last_one_stays() -> None:
    vault, world = logged_in(), ScriptedWorld({})

    def another_logs_in() -> None:
        run(vault.save(NAME, stored(token="new")))
        raise KeyboardInterrupt

    world.meanwhile["/revoke"] = another_logs_in
    with pytest.raises(KeyboardInterrupt):
        Session(PROFILE, vault, world).log_out()

    kept = run(vault.load(NAME))
    assert kept is not None
    assert kept.access_token == Secret("new")


class Hanging(ScriptedWorld):
    """A server that says nothing for as long as the test wants."""

    def __init__(self) -> None:
        super().__init__({})
        self.asked_now, self.may_go_on = threading.Event(), threading.Event()

    async def send(self, _request: Request) -> Response:
        self.asked_now.set()
        self.may_go_on.wait(10)
        return Response(200)


def test_a_task_that_is_cancelled_while_the_server_hangs_leaves_nothing_here() -> None:
    vault, world = logged_in(), Hanging()

    async def act() -> None:
        task = asyncio.ensure_future(aio.App(app_of(vault, world)).session().log_out())
        await asyncio.to_thread(world.asked_now.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert run(vault.load(NAME)) is None
        world.may_go_on.set()

    asyncio.run(act())


@pytest.mark.parametrize("again", [False, True], ids=["once", "and once more"])
def test_a_task_that_is_cancelled_while_it_waits_for_the_lock_leaves_nothing_here(tmp_path: Path, again: bool) -> None:
    vault, waits, forgotten = FileVault(tmp_path), threading.Event(), threading.Event()
    run(vault.save(NAME, stored()))

    class Told(FileVault):
        def lock(self, entry: str, on_wait: object = None) -> AbstractContextManager[None]:
            waits.set()
            return super().lock(entry, on_wait)

        async def delete(self, entry: str) -> None:
            await super().delete(entry)
            forgotten.set()

    app = app_of(Told(tmp_path), ScriptedWorld({}))

    async def act() -> None:
        task = asyncio.ensure_future(aio.App(app).session().log_out())
        await asyncio.to_thread(waits.wait, 10)
        task.cancel()
        if again:
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with vault.lock(NAME):
        asyncio.run(act())
        assert forgotten.wait(10)
    assert run(vault.load(NAME)) is None


def test_an_awaited_logout_of_nobody_says_so() -> None:
    with pytest.raises(LoginRequired):
        asyncio.run(aio.App(app_of(MemoryVault(), ScriptedWorld({}))).session().log_out())

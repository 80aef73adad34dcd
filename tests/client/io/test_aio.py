"""The door for an event loop: the same logins and sessions, awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from keyfob.client.asks import Flow, hear, listen
from keyfob.client.drive import drive_async
from keyfob.client.io.aio import AsyncSystemWorld, VaultInThreads
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.io.world import SystemWorld
from keyfob.client.model.callback import ANYWHERE
from keyfob.errors import LoginDeclined, LoginRequired, Misuse, Unreachable
from keyfob.login import App, CodeShown, Notice, aio
from keyfob.protocol.http import Request
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ORDERS, Scene, approve
from tests.cli.issuer import issuer, keep_login

LATER = timedelta(days=1)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def elsewhere(act: Callable[[], object]) -> None:
    """A person is in no event loop of ours."""
    with ThreadPoolExecutor() as pool:
        pool.submit(act).result(30)


def app_in(scene: Scene) -> aio.App:
    seen: set[str] = set()

    def approves(notice: Notice) -> None:
        if isinstance(notice, CodeShown) and notice.user_code not in seen:
            seen.add(notice.user_code)
            elsewhere(lambda: approve(scene.person(), notice))

    return aio.App(scene.app(approves))


def refreshes(scene: Scene) -> int:
    return sum(b"grant_type=refresh_token" in request.body for request in scene.pair.sent)


def test_a_login_is_awaited_kept_renewed_and_ended(scene: Scene) -> None:
    app = app_in(scene)

    async def act() -> None:
        with pytest.raises(LoginRequired):
            await app.session().token()
        held = await app.log_in(lambda _: None)
        assert held.person == (await app.session().held()).person == EMAIL
        first = await app.session().token()
        assert first == await app.session().token() == held.access_token.reveal()
        scene.time.go(LATER)
        assert await app.session().token() != first
        assert (await app.session().send(Request("GET", ORDERS))).status == 200
        assert (await app.session().log_out()).revoked is True
        with pytest.raises(LoginRequired):
            await app.session().held()

    asyncio.run(act())


def test_a_login_is_begun_and_resumed_and_its_way_explained(scene: Scene) -> None:
    app = app_in(scene)

    async def act() -> None:
        assert (await app.plan()).doors == ("device", "paste")
        assert (await app.begin(lambda _: None)).shown.user_code
        assert (await app.resume(lambda _: None)).person == EMAIL

    asyncio.run(act())


def decline(person: Person, shown: CodeShown) -> None:
    person.open(shown.verification_uri)
    person.press("continue", user_code=shown.user_code)
    person.press("decline")


def test_a_login_that_is_declined_is_raised_where_it_is_awaited(scene: Scene) -> None:
    def declines(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            elsewhere(lambda: decline(scene.person(), notice))

    with pytest.raises(LoginDeclined):
        asyncio.run(aio.App(scene.app(declines)).log_in(lambda _: None))


@pytest.mark.parametrize("sessions", ["one", "one for each"])
def test_many_tasks_with_a_lapsed_token_make_one_refresh(scene: Scene, sessions: str) -> None:
    """[C-IMPL-02]: more tasks than there are threads."""
    app = app_in(scene)

    async def act() -> set[str]:
        await app.log_in(lambda _: None)
        scene.time.go(LATER)
        shared = app.session()
        ask = [shared if sessions == "one" else app.session() for _ in range(60)]
        return set(await asyncio.gather(*(session.token() for session in ask)))

    assert len(asyncio.run(act())) == 1
    assert refreshes(scene) == 1


def test_who_no_longer_wants_a_lock_does_not_keep_it(tmp_path: Path) -> None:
    vault = FileVault(tmp_path)
    awaited = VaultInThreads(vault)

    async def act() -> None:
        with vault.lock("default"), pytest.raises(TimeoutError):
            await asyncio.wait_for(awaited.lock("default"), 0.05)
        let_go = await asyncio.wait_for(awaited.lock("default"), 10)
        let_go()
        again = await asyncio.wait_for(awaited.lock("default"), 10)
        again()

    asyncio.run(act())


def test_what_is_kept_is_kept_though_its_task_is_cancelled(scene: Scene) -> None:
    """A refresh token is for one use: once it is spent, the next one must not be lost."""
    held = scene.log_in()
    entered, may_go_on, done = threading.Event(), threading.Event(), threading.Event()

    class Slow:
        def keep(self, drawer: str, _: object) -> None:
            entered.set()
            may_go_on.wait(10)
            scene.vault.keep(drawer, held)
            done.set()

    scene.vault.forget("default")

    async def act() -> None:
        task = asyncio.ensure_future(VaultInThreads(Slow()).keep("default", held))  # type: ignore[arg-type]
        await asyncio.to_thread(entered.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_go_on.set()

    asyncio.run(act())
    assert done.wait(10)
    assert scene.vault.load("default") == held


def test_a_flow_that_keeps_needs_a_vault() -> None:
    from keyfob.client.asks import load
    from keyfob.testing.scripted_server import AsyncScriptedWorld, ScriptedWorld

    with pytest.raises(Misuse):
        asyncio.run(drive_async(load("default"), AsyncScriptedWorld(ScriptedWorld({}))))


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_task_that_is_cancelled_listens_no_more() -> None:
    """[C-8252-04]."""
    listening: list[str] = []

    def waits() -> Flow[None]:
        listening.append((yield from listen(ANYWHERE, "state")))
        yield from hear(timedelta(hours=1))

    async def act() -> None:
        world = AsyncSystemWorld(SystemWorld())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(drive_async(waits(), world), 0.3)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", urlsplit(listening[0]).port)

    asyncio.run(act())


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_client_brings_the_token_over_real_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.loopback import says

    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))

    async def act(url: str) -> None:
        async with aio.App(App(issuer=f"{url}/", client_id="cli")).session().http() as client:
            assert (await client.get(f"{url}/orders")).status_code == 200

    with issuer(orders=says(200, b"[]")) as server:
        keep_login(server)
        asyncio.run(act(server.url))
        [headers] = [headers for _, path, headers, _ in server.came if path == "/orders"]
        assert headers["authorization"] == "Bearer at-1"


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_others_have_their_turn_while_a_person_is_waited_for(tmp_path: Path) -> None:
    from tests.cli.issuer import PENDING

    turns = 0

    async def counts() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def act(url: str) -> None:
        app = aio.App(App(issuer=f"{url}/", client_id="cli", way="device", home=tmp_path))
        other = asyncio.ensure_future(counts())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(app.log_in(lambda _: None), 1.5)
        other.cancel()

    with issuer(PENDING) as server:
        asyncio.run(act(server.url))
    assert turns > 100


def test_a_network_that_is_down_is_raised_where_it_is_awaited(scene: Scene) -> None:
    scene.pair.cut.add("https://login.example")
    with pytest.raises(Unreachable):
        asyncio.run(app_in(scene).log_in(lambda _: None))

"""The door for an event loop: the same logins and sessions, awaited."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from keyfob.client.io.aio import VaultInThreads, in_thread, off_loop
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import LoginDeclined, LoginRequired, Unreachable, VaultUnavailable
from keyfob.login import App, BrowserOpened, CodeShown, Notice, Session, aio
from keyfob.protocol.http import Request
from keyfob.run import run
from keyfob.testing.memory_vault import MemoryVault
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
        stored = await app.log_in(lambda _: None)
        assert stored.person == (await app.session().stored()).person == EMAIL
        first = await app.session().token()
        assert first == await app.session().token() == stored.access_token.reveal()
        scene.time.go(LATER)
        assert await app.session().token() != first
        assert (await app.session().send(Request("GET", ORDERS))).status == 200
        assert (await app.session().log_out()).revoked is True
        with pytest.raises(LoginRequired):
            await app.session().stored()

    asyncio.run(act())


def test_a_login_is_begun_and_resumed_and_its_way_explained(scene: Scene) -> None:
    app = app_in(scene)

    async def act() -> None:
        assert (await app.plan()).flows == ("device", "paste")
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
    looping = VaultInThreads(vault)

    async def act() -> None:
        with vault.lock("default"), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), looping.lock("default"):
                pass
        for _ in range(2):
            async with asyncio.timeout(10), looping.lock("default"):
                pass

    asyncio.run(act())


def test_what_is_kept_is_kept_though_its_task_is_cancelled(scene: Scene) -> None:
    """A refresh token is for one use: once it is spent, the next one must not be lost."""
    stored = scene.log_in()
    entered, may_go_on, done = threading.Event(), threading.Event(), threading.Event()

    class Slow:
        async def save(self, entry: str, _: object) -> None:
            entered.set()
            may_go_on.wait(10)
            await scene.vault.save(entry, stored)
            done.set()

    run(scene.vault.delete("default"))

    async def act() -> None:
        task = asyncio.ensure_future(VaultInThreads(Slow()).save("default", stored))  # type: ignore[arg-type]
        await asyncio.to_thread(entered.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_go_on.set()

    asyncio.run(act())
    assert done.wait(10)
    assert run(scene.vault.load("default")) == stored


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_task_that_is_cancelled_listens_no_more(tmp_path: Path) -> None:
    """[C-8252-04]."""

    async def act(url: str) -> None:
        listening: asyncio.Queue[str] = asyncio.Queue()

        def told(notice: Notice) -> None:
            if isinstance(notice, BrowserOpened):
                query = parse_qs(urlsplit(notice.address).query)
                listening.put_nowait(query["redirect_uri"][0])

        app = aio.App(App(issuer=f"{url}/", client_id="cli", flow="browser", home=tmp_path))
        app.profile.endpoints["authorization_endpoint"] = f"{url}/authorize"
        login = asyncio.create_task(app.log_in(told))
        port = urlsplit(await asyncio.wait_for(listening.get(), 20)).port
        login.cancel()
        with pytest.raises(asyncio.CancelledError):
            await login
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    with issuer() as server:
        asyncio.run(act(server.url))


def test_a_task_that_is_cancelled_before_a_thread_is_free_closes_its_coroutine() -> None:
    """Else Python warns in the user's program that it was never awaited."""

    async def open_browser() -> bool:
        return True

    async def act() -> None:
        free, flow = threading.Event(), open_browser()
        busy = [asyncio.create_task(off_loop(free.wait)) for _ in range(64)]
        await asyncio.sleep(0)
        late = asyncio.create_task(in_thread(flow))
        await asyncio.sleep(0)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        free.set()
        await asyncio.gather(*busy)
        assert inspect.getcoroutinestate(flow) == inspect.CORO_CLOSED

    asyncio.run(act())


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_client_brings_the_token_over_real_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.loopback import says

    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))

    async def act(url: str) -> None:
        async with aio.App(App(issuer=f"{url}/", client_id="cli", profile="default")).session().http() as client:
            assert (await client.get(f"{url}/orders")).status_code == 200

    with issuer(orders=says(200, b"[]")) as server:
        keep_login(server)
        asyncio.run(act(server.url))
        [headers] = [headers for _, path, headers, _ in server.came if path == "/orders"]
        assert headers["authorization"] == "Bearer at-1"


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_others_have_their_turn_while_a_person_is_waited_for(tmp_path: Path) -> None:
    from tests.cli.issuer import PENDING

    lock_holders = 0

    async def counts() -> None:
        nonlocal lock_holders
        while True:
            lock_holders += 1
            await asyncio.sleep(0)

    async def act(url: str) -> None:
        app = aio.App(App(issuer=f"{url}/", client_id="cli", flow="device", home=tmp_path))
        other = asyncio.ensure_future(counts())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(app.log_in(lambda _: None), 1.5)
        other.cancel()

    with issuer(PENDING) as server:
        asyncio.run(act(server.url))
    assert lock_holders > 100


def test_a_network_that_is_down_is_raised_where_it_is_awaited(scene: Scene) -> None:
    scene.pair.cut.add("https://login.example")
    with pytest.raises(Unreachable):
        asyncio.run(app_in(scene).log_in(lambda _: None))


class ReadOnly(MemoryVault):
    """Cannot be written once it is `full`."""

    full = False

    async def save(self, entry: str, stored: StoredLogin) -> None:
        if self.full:
            raise VaultUnavailable("the disk is read-only", code="vault-readonly")
        await super().save(entry, stored)


def test_where_the_vault_cannot_be_written_a_spent_refresh_token_is_not_replayed(scene: Scene) -> None:
    """FC-07: the issuer ends the login of a client that shows a refresh token twice."""
    vault = scene.vault = ReadOnly()
    app = app_in(scene)

    async def act() -> None:
        await app.log_in(lambda _: None)
        vault.full = True
        session = app.session()
        for refreshes_so_far in (1, 2):
            scene.time.go(LATER)
            token = await session.token()
            assert refreshes(scene) == refreshes_so_far
            assert (await session.send(Request("GET", ORDERS))).status == 200
            async with asyncio.TaskGroup() as tasks:
                again = [tasks.create_task(session.token()) for _ in range(3)]
            assert {task.result() for task in again} == {token}
        assert refreshes(scene) == 2

    asyncio.run(act())


def public(face: type) -> set[str]:
    return {name for name in dir(face) if not name.startswith("_")}


@pytest.mark.parametrize(("blocking", "looping"), [(Session, aio.Session), (App, aio.App)], ids=["Session", "App"])
def test_both_faces_have_the_same_methods_with_the_same_arguments(blocking: type, looping: type) -> None:
    plumbing = {"at_screen", "find_world", "login"}  # of the blocking App, for aio.App and the command
    # The blocking App is made and its profile chosen before aio.App gets it.
    plumbing |= {"choose", "chosen", "from_toml", "names", "profile", "under"}

    assert public(looping) == public(blocking) - plumbing
    for name in public(looping):
        ours, theirs = getattr(blocking, name), getattr(looping, name)
        assert inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys(), name

"""Whoever logs a profile in while another does waits, and takes over what is just what was wanted."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.io.state_files import LoginLockFiles
from keyfob.client.io.world import SystemWorld
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.login_state import LockHolder
from keyfob.client.model.notices import CodeShown, LoginInAnotherProcess, Notice
from keyfob.client.model.step_up import StepUp
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import LoginRequired, Misuse, VaultUnavailable
from keyfob.login import App, Profile, aio
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.blocking import Session
from tests.client.scripts import CLIENT, DOCUMENT, ISSUER, OPENID, PROFILE, codes, pending, stored, tokens

NAME = PROFILE.name
BY_CODE = replace(PROFILE, flow="device")
WANTED = LockHolder.of(BY_CODE, ANY_LOGIN)
THEIRS = replace(stored(token="theirs"), generation=3, subject="auth0|1")
SURE = Assurance(("phr",))


def world_of(*elsewhere: LockHolder | None) -> ScriptedWorld:
    """Others have the turn, one look after the other, and then their login is there; ours gives `ours`."""
    world = ScriptedWorld({OPENID: [DOCUMENT], "/device": [codes()], "/token": [tokens(access_token="ours")]})
    world.elsewhere = list(elsewhere)
    return world


def session(
    world: ScriptedWorld, last: LockHolder | None, found: StoredLogin | None = THEIRS, before: StoredLogin | None = None
) -> tuple[Session, MemoryVault]:
    """A session while another logs in, whose turn comes to its end as `last`, when `found` is in the vault."""
    vault = MemoryVault()
    if before is not None:
        run(vault.save(NAME, before))

    def goes_on() -> None:
        if not world.elsewhere:
            if last is not None:
                world.lock_holders[NAME] = last
            if found is not None:
                run(vault.save(NAME, found))

    world.meanwhile["turn"] = goes_on
    return Session(BY_CODE, vault, world), vault


def told(world: ScriptedWorld) -> list[Notice]:
    return [notice for notice in world.notices if isinstance(notice, LoginInAnotherProcess | CodeShown)]


def test_what_another_process_got_meanwhile_is_taken_over_and_nobody_is_asked() -> None:
    world = world_of(*[replace(WANTED, pid=77)] * 5)
    ours, vault = session(world, replace(WANTED, pid=77, kept=3))

    assert ours.log_in().access_token == Secret("theirs")

    assert world.sent == []
    assert told(world) == [LoginInAnotherProcess(77)]
    assert world.time.passed == 5 * timedelta(milliseconds=250)
    assert run(vault.load(NAME)) == THEIRS
    # The next who waits finds it, too, though our turn was the last.
    assert world.lock_holders[NAME].kept == 3


OTHERS: dict[str, tuple[LockHolder, StoredLogin | None]] = {
    "nothing came of it": (WANTED, THEIRS),
    "another scope": (LockHolder.of(replace(BY_CODE, scope=Scope.of(["write:orders"])), ANY_LOGIN), THEIRS),
    "another API": (LockHolder.of(replace(BY_CODE, audience="https://b.example"), ANY_LOGIN), THEIRS),
    "the API as another server is told it": (LockHolder.of(replace(BY_CODE, is_resource=True), ANY_LOGIN), THEIRS),
    "another program": (LockHolder.of(replace(BY_CODE, client_id="other"), ANY_LOGIN), THEIRS),
    "another issuer": (LockHolder.of(replace(BY_CODE, issuer="https://b.example/"), ANY_LOGIN), THEIRS),
    "other endpoints": (
        LockHolder.of(replace(BY_CODE, endpoints={"token_endpoint": "https://b.example/t"}), ANY_LOGIN),
        THEIRS,
    ),
    "bound to a key": (LockHolder.of(replace(BY_CODE, dpop="require"), ANY_LOGIN), THEIRS),
    "surer": (LockHolder.of(BY_CODE, SURE), THEIRS),
    "logged out since": (replace(WANTED, kept=3), None),
    "an older one": (replace(WANTED, kept=4), THEIRS),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_not_just_what_was_wanted_is_not_taken_over(case: str) -> None:
    last, found = OTHERS[case]
    world = world_of(replace(last, pid=77, kept=None))
    last = last if case == "nothing came of it" else replace(last, kept=last.kept or 3)
    ours, vault = session(world, last, found)

    assert ours.log_in().access_token == Secret("ours")

    kept = run(vault.load(NAME))
    assert kept is not None
    assert kept.access_token == Secret("ours")
    assert world.lock_holders[NAME] == replace(WANTED, kept=kept.generation)
    assert [type(notice) for notice in told(world)] == [LoginInAnotherProcess, CodeShown]


def test_another_clients_login_in_its_place_is_kept() -> None:
    """[FC-05]: stored while this process waited, so only the end shows it. The new login is revoked."""
    theirs = replace(THEIRS, client_id="other")
    ours, vault = session(world_of(WANTED), replace(WANTED, kept=3), theirs)

    with pytest.raises(Misuse) as caught:
        ours.log_in()

    assert caught.value.code == "profile-taken"
    assert run(vault.load(NAME)) == theirs


def test_a_login_that_was_refreshed_since_is_taken_over_all_the_same() -> None:
    world = world_of(WANTED)
    ours, _ = session(world, replace(WANTED, kept=3), replace(THEIRS, generation=5))

    assert ours.log_in().generation == 5


@pytest.mark.parametrize(
    ("subject", "is_taken"), [("auth0|1", True), ("auth0|2", False), (None, True)], ids=["same", "another", "unknown"]
)
def test_another_person_than_before_is_not_taken_over(subject: str | None, is_taken: bool) -> None:
    """[C-OIDC-06]"""
    before = replace(stored(token="before"), subject=subject)
    ours, _ = session(world_of(WANTED), replace(WANTED, kept=3), before=before)

    assert (ours.log_in().access_token == Secret("theirs")) is is_taken


def test_whoever_is_asked_may_want_a_login_of_its_own() -> None:
    asked: list[StoredLogin] = []

    def refuses(found: StoredLogin) -> bool:
        asked.append(found)
        return False

    ours, _ = session(world_of(WANTED), replace(WANTED, kept=3))

    assert ours.log_in(accepts=refuses).access_token == Secret("ours")
    assert asked == [THEIRS]


def test_whoever_wants_a_surer_login_takes_over_one_that_was_as_sure() -> None:
    holder = LockHolder.of(BY_CODE, SURE)
    for last, token in (
        (holder, "theirs"),
        (replace(holder, how=LockHolder.of(BY_CODE, Assurance(("pwd",))).how), "ours"),
    ):
        ours, _ = session(world_of(last), replace(last, kept=3))
        assert ours.log_in(assurance=SURE).access_token == Secret(token)


def test_a_login_that_finds_nobody_at_it_is_a_new_one_whatever_came_before() -> None:
    world = world_of()
    ours, _ = session(world, replace(WANTED, kept=3))

    assert ours.log_in().access_token == Secret("ours")


def test_who_it_is_is_said_when_it_is_known_and_once_for_each() -> None:
    one, two = replace(WANTED, pid=1), replace(WANTED, pid=2)
    world = world_of(None, one, one, None, two, two)
    ours, _ = session(world, replace(two, kept=3))
    ours.log_in()
    assert told(world) == [LoginInAnotherProcess(1), LoginInAnotherProcess(2)]

    world = world_of(*[None] * 6)
    ours, _ = session(world, replace(WANTED, kept=3))
    ours.log_in()
    assert told(world) == [LoginInAnotherProcess(None)]


def test_a_vault_that_cannot_be_read_afterwards_is_logged_in_to() -> None:
    class Damaged(MemoryVault):
        async def load(self, entry: str, **_: bool) -> StoredLogin | None:
            raise VaultUnavailable(f"{entry} is damaged", code="vault-damaged")

    world = world_of(WANTED)
    world.lock_holders[NAME] = replace(WANTED, kept=1)
    assert Session(BY_CODE, Damaged(), world).log_in().access_token == Secret("ours")


def test_where_nobody_is_nobody_is_waited_for() -> None:
    world = world_of(*[WANTED] * 9)
    world.has_user = False
    with pytest.raises(LoginRequired) as raised:
        Session(PROFILE, MemoryVault(), world).log_in()
    assert raised.value.code == "no-terminal"
    assert len(world.elsewhere) == 9


def test_a_password_is_asked_for_whoever_else_logs_in() -> None:
    """It is given to this process alone, and no page is opened."""
    world = world_of(*[WANTED] * 9)
    world.answers = ["pat", "secret"]
    profile = replace(PROFILE, flow="password", allows_password=True)

    assert Session(profile, MemoryVault(), world).log_in().access_token == Secret("ours")
    assert len(world.elsewhere) == 9


def test_what_another_process_finishes_is_not_resumed_twice() -> None:
    sure = LockHolder.of(BY_CODE, SURE)
    world = world_of(sure)
    world.parked[NAME] = replace(pending(), profile=BY_CODE).write()
    ours, _ = session(world, replace(sure, kept=3))

    assert ours.resume().access_token == Secret("theirs")
    assert world.sent == []


def test_what_nobody_finishes_any_more_is_resumed() -> None:
    world = world_of(WANTED)
    world.parked[NAME] = replace(pending(), profile=BY_CODE).write()
    ours, _ = session(world, WANTED, None)

    assert ours.resume().access_token == Secret("ours")
    assert world.parked == {}


def test_an_awaited_login_waits_and_takes_over_the_same_way() -> None:
    from keyfob.client.io.aio import VaultInThreads, WorldInThreads
    from keyfob.client.session.login import Login

    world = world_of(WANTED, WANTED)
    _, vault = session(world, replace(WANTED, kept=3))

    found = asyncio.run(Login(BY_CODE, VaultInThreads(vault), WorldInThreads(world)).log_in())
    assert found.access_token == Secret("theirs")


@given(st.binary(max_size=200) | st.sampled_from([b"{}", b'{"what": 1}', b'{"what": "a", "how": "b", "pid": true}']))
def test_a_damaged_note_says_nothing(raw: bytes) -> None:
    found = LockHolder.read(raw)
    assert found is None or (found.pid, found.kept) == (None, None)


@given(st.integers(1, 10**8), st.none() | st.integers(1, 10**6), st.text(min_size=1, max_size=20))
def test_a_note_is_read_as_it_was_written(pid: int, kept: int | None, scope: str) -> None:
    holder = replace(LockHolder.of(replace(PROFILE, audience=scope), SURE), pid=pid, kept=kept)
    assert LockHolder.read(holder.write()) == holder


def test_a_note_of_what_is_wanted_has_nothing_of_the_programs_secret() -> None:
    from keyfob.client.model.source import Source

    profile = replace(PROFILE, credential=Source("secret", "file", "/home/pat/secret"))
    assert b"pat" not in LockHolder.of(profile, ANY_LOGIN).write()


# With real files.


def test_a_turn_is_one_process_s_until_it_lets_go(tmp_path: Path) -> None:
    ours, theirs = LoginLockFiles(tmp_path), LoginLockFiles(tmp_path)
    lets_go, last = ours.take(NAME, WANTED)
    assert last is None
    assert lets_go is not None

    assert theirs.take(NAME, WANTED) == (None, replace(WANTED, pid=os.getpid()))
    assert theirs.take("work", WANTED)[0] is not None, "another profile's is another"
    ours.note(NAME, replace(WANTED, kept=7))
    assert theirs.take(NAME, WANTED) == (None, None), "its note is of a turn that ends"
    lets_go()

    assert theirs.take(NAME, WANTED)[1] == replace(WANTED, kept=7)
    if os.name == "posix":
        assert {stat.S_IMODE(path.stat().st_mode) for path in ours.folder.iterdir()} == {0o600}


HOLDER = """
import sys
from pathlib import Path
from keyfob.client.io.state_files import LoginLockFiles
from keyfob.client.model.login_state import LockHolder
taken = LoginLockFiles(Path(sys.argv[1])).take("default", LockHolder("what"))
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_the_turn_of_a_killed_process_is_free_and_nothing_came_of_it(tmp_path: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"taken\n"
        (tmp_path / "pending" / ".default.turn.0123").write_bytes(b"half a n")
        assert LoginLockFiles(tmp_path).take(NAME, WANTED) == (None, LockHolder("what", pid=holder.pid))
        holder.send_signal(signal.SIGKILL)
        holder.wait()

        lets_go, last = LoginLockFiles(tmp_path).take(NAME, WANTED)
        assert lets_go is not None
        assert last == LockHolder("what", pid=holder.pid)
        lets_go()
    assert sorted(path.name for path in (tmp_path / "pending").iterdir()) == ["default.lock", "default.turn"]


def test_where_nothing_can_be_written_nobody_is_held_off(tmp_path: Path) -> None:
    (tmp_path / "pending").write_bytes(b"no folder")
    world = SystemWorld(home=tmp_path)
    assert world.take_login_lock(NAME, WANTED) == (True, None)
    world.record_login(NAME, WANTED)
    world.release_login_lock()


def test_a_world_lets_go_of_its_turn_when_its_flow_ends(tmp_path: Path) -> None:
    one, two = SystemWorld(home=tmp_path), SystemWorld(home=tmp_path)
    assert one.take_login_lock(NAME, WANTED) == (True, None)
    assert two.take_login_lock(NAME, WANTED) == (False, replace(WANTED, pid=os.getpid()))
    two.record_login(NAME, replace(WANTED, kept=9))
    one.release_login_lock()
    assert two.take_login_lock(NAME, WANTED)[1] == replace(WANTED, pid=os.getpid()), "only its holder writes the note"
    two.release_login_lock()


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_of_many_tasks_that_log_in_at_once_one_shows_a_code(tmp_path: Path) -> None:
    from tests.cli.issuer import PENDING, granted, issuer

    async def act(url: str) -> list[Notice]:
        seen: list[Notice] = []
        apps = [aio.App(App(issuer=f"{url}/", client_id=CLIENT, flow="device", home=tmp_path)) for _ in range(5)]
        found = await asyncio.gather(*(app.log_in(seen.append) for app in apps))
        assert {stored.access_token.reveal() for stored in found} == {"at-1"}
        return seen

    with issuer(PENDING, granted()) as server:
        seen = asyncio.run(act(server.url))
        assert sum(path == "/device" for _, path, _, _ in server.came) == 1
    assert sum(isinstance(notice, CodeShown) for notice in seen) == 1
    assert LoginInAnotherProcess(os.getpid()) in seen


# A call that wants more of a login.


def test_a_call_waits_as_long_as_another_s_person_takes_to_log_in() -> None:
    tries: list[str] = []

    class Busy(MemoryVault):
        @asynccontextmanager
        async def lock(self, entry: str, _on_wait: object = None) -> AsyncGenerator[bool]:
            tries.append(entry)
            if len(tries) < 4:
                raise VaultUnavailable("another keyfob holds the lock", code="vault-busy")
            yield True

    vault = Busy()
    run(vault.save(NAME, stored(token="theirs")))
    ours = Session(PROFILE, vault, ScriptedWorld({}), step_up=lambda _: pytest.fail("they have done so for us"))

    assert ours.step_up(StepUp(assurance=SURE), Secret("at-1"))
    assert tries == ["default+login"] * 4


def test_a_call_does_not_wait_where_nobody_can_be_waited_for() -> None:
    class Broken(MemoryVault):
        @asynccontextmanager
        async def lock(self, entry: str, _on_wait: object = None) -> AsyncGenerator[bool]:
            raise VaultUnavailable(f"{entry} cannot be locked")
            yield True

    ours = Session(Profile(NAME, ISSUER, CLIENT), Broken(), ScriptedWorld({}), step_up=lambda _: None)
    with pytest.raises(VaultUnavailable):
        ours.step_up(StepUp(assurance=SURE), Secret("at-1"))

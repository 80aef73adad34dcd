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

from keyfob.client.io.state.login_lock_files import TurnFiles
from keyfob.client.io.world import SystemWorld
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.lock_holder import Turn
from keyfob.client.model.notices import CodeShown, LoginElsewhere, Notice
from keyfob.client.model.step_up import StepUp
from keyfob.client.model.stored_login import Held
from keyfob.errors import LoginRequired, VaultUnavailable
from keyfob.login import App, Profile, aio
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.blocking import Session
from tests.client.scripts import CLIENT, DOCUMENT, ISSUER, OPENID, PROFILE, codes, held, pending, tokens

NAME = PROFILE.name
BY_CODE = replace(PROFILE, way="device")
WANTED = Turn.of(BY_CODE, ANY_LOGIN)
THEIRS = replace(held(token="theirs"), generation=3, subject="auth0|1")
SURE = Assurance(("phr",))


def world_of(*elsewhere: Turn | None) -> ScriptedWorld:
    """Others have the turn, one look after the other, and then their login is there; ours gives `ours`."""
    world = ScriptedWorld({OPENID: [DOCUMENT], "/device": [codes()], "/token": [tokens(access_token="ours")]})
    world.elsewhere = list(elsewhere)
    return world


def session(
    world: ScriptedWorld, last: Turn | None, found: Held | None = THEIRS, before: Held | None = None
) -> tuple[Session, MemoryVault]:
    """A session while another logs in, whose turn comes to its end as `last`, when `found` is in the vault."""
    vault = MemoryVault()
    if before is not None:
        run(vault.keep(NAME, before))

    def goes_on() -> None:
        if not world.elsewhere:
            if last is not None:
                world.turns[NAME] = last
            if found is not None:
                run(vault.keep(NAME, found))

    world.meanwhile["turn"] = goes_on
    return Session(BY_CODE, vault, world), vault


def told(world: ScriptedWorld) -> list[Notice]:
    return [notice for notice in world.notices if isinstance(notice, LoginElsewhere | CodeShown)]


def test_what_another_process_got_meanwhile_is_taken_over_and_nobody_is_asked() -> None:
    world = world_of(*[replace(WANTED, pid=77)] * 5)
    ours, vault = session(world, replace(WANTED, pid=77, kept=3))

    assert ours.log_in().access_token == Secret("theirs")

    assert world.sent == []
    assert told(world) == [LoginElsewhere(77)]
    assert world.time.passed == 5 * timedelta(milliseconds=250)
    assert run(vault.load(NAME)) == THEIRS
    # The next who waits finds it, too, though our turn was the last.
    assert world.turns[NAME].kept == 3


OTHERS: dict[str, tuple[Turn, Held | None]] = {
    "nothing came of it": (WANTED, THEIRS),
    "another scope": (Turn.of(replace(BY_CODE, scope=Scope.of(["write:orders"])), ANY_LOGIN), THEIRS),
    "another API": (Turn.of(replace(BY_CODE, audience="https://b.example"), ANY_LOGIN), THEIRS),
    "the API as another server is told it": (Turn.of(replace(BY_CODE, is_resource=True), ANY_LOGIN), THEIRS),
    "another program": (Turn.of(replace(BY_CODE, client_id="other"), ANY_LOGIN), THEIRS),
    "another issuer": (Turn.of(replace(BY_CODE, issuer="https://b.example/"), ANY_LOGIN), THEIRS),
    "other endpoints": (
        Turn.of(replace(BY_CODE, endpoints={"token_endpoint": "https://b.example/t"}), ANY_LOGIN),
        THEIRS,
    ),
    "bound to a key": (Turn.of(replace(BY_CODE, dpop="require"), ANY_LOGIN), THEIRS),
    "surer": (Turn.of(BY_CODE, SURE), THEIRS),
    "logged out since": (replace(WANTED, kept=3), None),
    "an older one": (replace(WANTED, kept=4), THEIRS),
    "another's in its place": (replace(WANTED, kept=3), replace(THEIRS, client_id="other")),
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
    assert world.turns[NAME] == replace(WANTED, kept=kept.generation)
    assert [type(notice) for notice in told(world)] == [LoginElsewhere, CodeShown]


def test_a_login_that_was_refreshed_since_is_taken_over_all_the_same() -> None:
    world = world_of(WANTED)
    ours, _ = session(world, replace(WANTED, kept=3), replace(THEIRS, generation=5))

    assert ours.log_in().generation == 5


@pytest.mark.parametrize(
    ("subject", "is_taken"), [("auth0|1", True), ("auth0|2", False), (None, True)], ids=["same", "another", "unknown"]
)
def test_another_person_than_before_is_not_taken_over(subject: str | None, is_taken: bool) -> None:
    """[C-OIDC-06]"""
    before = replace(held(token="before"), subject=subject)
    ours, _ = session(world_of(WANTED), replace(WANTED, kept=3), before=before)

    assert (ours.log_in().access_token == Secret("theirs")) is is_taken


def test_whoever_is_asked_may_want_a_login_of_its_own() -> None:
    asked: list[Held] = []

    def refuses(found: Held) -> bool:
        asked.append(found)
        return False

    ours, _ = session(world_of(WANTED), replace(WANTED, kept=3))

    assert ours.log_in(may_adopt=refuses).access_token == Secret("ours")
    assert asked == [THEIRS]


def test_whoever_wants_a_surer_login_takes_over_one_that_was_as_sure() -> None:
    turn = Turn.of(BY_CODE, SURE)
    for last, token in ((turn, "theirs"), (replace(turn, how=Turn.of(BY_CODE, Assurance(("pwd",))).how), "ours")):
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
    assert told(world) == [LoginElsewhere(1), LoginElsewhere(2)]

    world = world_of(*[None] * 6)
    ours, _ = session(world, replace(WANTED, kept=3))
    ours.log_in()
    assert told(world) == [LoginElsewhere(None)]


def test_a_vault_that_cannot_be_read_afterwards_is_logged_in_to() -> None:
    class Damaged(MemoryVault):
        async def load(self, drawer: str) -> Held | None:
            raise VaultUnavailable(f"{drawer} is damaged", code="vault-damaged")

    world = world_of(WANTED)
    world.turns[NAME] = replace(WANTED, kept=1)
    assert Session(BY_CODE, Damaged(), world).log_in().access_token == Secret("ours")


def test_where_nobody_is_nobody_is_waited_for() -> None:
    world = world_of(*[WANTED] * 9)
    world.has_person = False
    with pytest.raises(LoginRequired) as raised:
        Session(PROFILE, MemoryVault(), world).log_in()
    assert raised.value.code == "no-terminal"
    assert len(world.elsewhere) == 9


def test_a_password_is_asked_for_whoever_else_logs_in() -> None:
    """It is given to this process alone, and no page is opened."""
    world = world_of(*[WANTED] * 9)
    world.answers = ["pat", "secret"]
    profile = replace(PROFILE, way="password", allows_password=True)

    assert Session(profile, MemoryVault(), world).log_in().access_token == Secret("ours")
    assert len(world.elsewhere) == 9


def test_what_another_process_finishes_is_not_resumed_twice() -> None:
    sure = Turn.of(BY_CODE, SURE)
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
    found = Turn.read(raw)
    assert found is None or (found.pid, found.kept) == (None, None)


@given(st.integers(1, 10**8), st.none() | st.integers(1, 10**6), st.text(min_size=1, max_size=20))
def test_a_note_is_read_as_it_was_written(pid: int, kept: int | None, scope: str) -> None:
    turn = replace(Turn.of(replace(PROFILE, audience=scope), SURE), pid=pid, kept=kept)
    assert Turn.read(turn.write()) == turn


def test_a_note_of_what_is_wanted_has_nothing_of_the_programs_secret() -> None:
    from keyfob.client.model.source import Source

    profile = replace(PROFILE, credential=Source("secret", "file", "/home/pat/secret"))
    assert b"pat" not in Turn.of(profile, ANY_LOGIN).write()


# With real files.


def test_a_turn_is_one_process_s_until_it_lets_go(tmp_path: Path) -> None:
    ours, theirs = TurnFiles(tmp_path), TurnFiles(tmp_path)
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
from keyfob.client.io.state.login_lock_files import TurnFiles
from keyfob.client.model.lock_holder import Turn
taken = TurnFiles(Path(sys.argv[1])).take("default", Turn("what"))
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
        assert TurnFiles(tmp_path).take(NAME, WANTED) == (None, Turn("what", pid=holder.pid))
        holder.send_signal(signal.SIGKILL)
        holder.wait()

        lets_go, last = TurnFiles(tmp_path).take(NAME, WANTED)
        assert lets_go is not None
        assert last == Turn("what", pid=holder.pid)
        lets_go()
    assert sorted(path.name for path in (tmp_path / "pending").iterdir()) == ["default.lock", "default.turn"]


def test_where_nothing_can_be_written_nobody_is_held_off(tmp_path: Path) -> None:
    (tmp_path / "pending").write_bytes(b"no folder")
    world = SystemWorld(home=tmp_path)
    assert world.take_turn(NAME, WANTED) == (True, None)
    world.note_turn(NAME, WANTED)
    world.end_turn()


def test_a_world_lets_go_of_its_turn_when_its_flow_ends(tmp_path: Path) -> None:
    one, two = SystemWorld(home=tmp_path), SystemWorld(home=tmp_path)
    assert one.take_turn(NAME, WANTED) == (True, None)
    assert two.take_turn(NAME, WANTED) == (False, replace(WANTED, pid=os.getpid()))
    two.note_turn(NAME, replace(WANTED, kept=9))
    one.end_turn()
    assert two.take_turn(NAME, WANTED)[1] == replace(WANTED, pid=os.getpid()), "only its holder writes the note"
    two.end_turn()


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_of_many_tasks_that_log_in_at_once_one_shows_a_code(tmp_path: Path) -> None:
    from tests.cli.issuer import PENDING, granted, issuer

    async def act(url: str) -> list[Notice]:
        seen: list[Notice] = []
        apps = [aio.App(App(issuer=f"{url}/", client_id=CLIENT, way="device", home=tmp_path)) for _ in range(5)]
        found = await asyncio.gather(*(app.log_in(seen.append) for app in apps))
        assert {held.access_token.reveal() for held in found} == {"at-1"}
        return seen

    with issuer(PENDING, granted()) as server:
        seen = asyncio.run(act(server.url))
        assert sum(path == "/device" for _, path, _, _ in server.came) == 1
    assert sum(isinstance(notice, CodeShown) for notice in seen) == 1
    assert LoginElsewhere(os.getpid()) in seen


# A call that wants more of a login.


def test_a_call_waits_as_long_as_another_s_person_takes_to_log_in() -> None:
    tries: list[str] = []

    class Busy(MemoryVault):
        @asynccontextmanager
        async def lock(self, drawer: str) -> AsyncGenerator[bool]:
            tries.append(drawer)
            if len(tries) < 4:
                raise VaultUnavailable("another keyfob holds the lock", code="vault-busy")
            yield True

    vault = Busy()
    run(vault.keep(NAME, held(token="theirs")))
    ours = Session(PROFILE, vault, ScriptedWorld({}), step_up=lambda _: pytest.fail("they have done so for us"))

    assert ours.step_up(StepUp(assurance=SURE), Secret("at-1"))
    assert tries == ["default+login"] * 4


def test_a_call_does_not_wait_where_nobody_can_be_waited_for() -> None:
    class Broken(MemoryVault):
        @asynccontextmanager
        async def lock(self, drawer: str) -> AsyncGenerator[bool]:
            raise VaultUnavailable(f"{drawer} cannot be locked")
            yield True

    ours = Session(Profile(NAME, ISSUER, CLIENT), Broken(), ScriptedWorld({}), step_up=lambda _: None)
    with pytest.raises(VaultUnavailable):
        ours.step_up(StepUp(assurance=SURE), Secret("at-1"))

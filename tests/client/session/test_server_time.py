from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from keyfob.client.model.moment import Moment
from keyfob.client.ports import World
from keyfob.client.session.freshness import Refresh, Use, judge
from keyfob.client.session.server_time import ServerTime
from keyfob.errors import Unreachable
from keyfob.protocol.http import Request, Response
from keyfob.run import run
from keyfob.testing.fake_time import NOON
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.blocking import Session
from tests.client.scripts import PROFILE, stored, tokens

HOUR = timedelta(hours=1)
NOTHING = timedelta()


def dated(when: datetime | str, response: Response | None = None, *more: tuple[str, str]) -> Response:
    answer = response or Response(200)
    said = when if isinstance(when, str) else format_datetime(when.astimezone(UTC), usegmt=True)
    return Response(answer.status, (*answer.headers, ("date", said), *more), answer.body)


async def asking(world: World, method: str = "POST") -> Moment:
    await world.send(Request(method, "https://login.example/x"))
    return world.now()


def told(answer: Response, method: str = "POST", skew: timedelta = NOTHING) -> tuple[timedelta, timedelta]:
    """How far the flow is told that it is after noon, and what was learnt."""
    world = ServerTime(ScriptedWorld({"/x": [answer]}), skew)
    moment = run(asking(world, method))
    return moment.wall - NOON, world.skew


@pytest.mark.parametrize("skew", [HOUR, -HOUR, timedelta(days=20_000), timedelta(seconds=6)], ids=str)
def test_a_flow_lives_by_the_servers_clock(skew: timedelta) -> None:
    if skew > timedelta(days=10_000):
        skew = -skew  # a machine without a clock wakes in 1970; here it is the server that seems to
    assert told(dated(NOON + skew)) == (skew, skew)


@pytest.mark.parametrize("ahead", [timedelta(seconds=-5), NOTHING, timedelta(seconds=5)], ids=str)
def test_a_few_seconds_are_the_way_and_not_the_clock(ahead: timedelta) -> None:
    assert told(dated(NOON + ahead), skew=HOUR) == (NOTHING, NOTHING)


@pytest.mark.parametrize(
    "answer",
    [Response(200), dated("yesterday"), dated(""), dated(NOON - HOUR, None, ("age", "3600"))],
    ids=["no date", "no sense", "empty", "from a cache"],
)
def test_what_says_nothing_about_the_time_teaches_nothing(answer: Response) -> None:
    assert told(answer, skew=HOUR) == (HOUR, HOUR)


def test_an_answer_that_a_cache_may_have_kept_is_not_believed() -> None:
    assert told(dated(NOON - HOUR), "GET") == (NOTHING, NOTHING)


def test_errors_reach_the_flow_as_without() -> None:
    with pytest.raises(Unreachable):
        run(asking(ServerTime(ScriptedWorld({}))))


def refreshed(ahead: timedelta, **changed: object) -> tuple[MemoryVault, Callable[[], Session], ScriptedWorld]:
    vault = MemoryVault()
    run(vault.save("default", stored(expires_in=-1)))
    world = ScriptedWorld({"/token": [dated(NOON + ahead, tokens(access_token="at-2", **changed))]})
    return vault, lambda: Session(PROFILE, vault, world), world


@pytest.mark.parametrize("ahead", [HOUR * 5, -HOUR * 5], ids=str)
def test_a_fresh_token_is_good_for_its_life_whatever_this_machines_clock_says(ahead: timedelta) -> None:
    vault, session, world = refreshed(ahead, expires_in=3600)

    for _ in range(2):
        assert session().token().reveal() == "at-2"
    kept = run(vault.load("default"))

    assert len(world.sent) == 1
    assert kept is not None
    assert (kept.skew, kept.expires_at) == (ahead, NOON + ahead + HOUR)
    assert isinstance(judge(kept, NOON + timedelta(minutes=58)), Use)
    assert isinstance(judge(kept, NOON + timedelta(minutes=60)), Refresh)


@pytest.mark.parametrize("ahead", [HOUR * 5, -HOUR * 5], ids=str)
def test_a_clock_that_is_mended_makes_the_next_refresh_early_and_right(ahead: timedelta) -> None:
    vault, session, world = refreshed(ahead, expires_in=3600)
    session().token()
    world.time.set_wall(ahead)

    session().token()
    kept = run(vault.load("default"))

    assert kept is not None
    assert kept.skew == NOTHING
    assert len(world.sent) == 2

"""How a login stands, by what is kept and the state at the issuer."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.session.freshness import login_status
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.testing.fake_time import NOON
from tests.cli.desk import PAT, Desk, desk
from tests.cli.issuer import as_json, granted, issuer
from tests.client.scripts import stored

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
LAPSED = {"expires_at": datetime(2020, 1, 1, tzinfo=UTC), "obtained_at": datetime(2019, 1, 1, tzinfo=UTC)}
GONE = as_json(400, error="invalid_grant")
spans = st.one_of(st.none(), st.integers(-5000, 5000).map(lambda seconds: timedelta(seconds=seconds)))


@given(access=spans, refresh=spans, has_refresh=st.booleans(), is_machine=st.booleans(), skew=st.integers(-900, 900))
def test_a_login_that_stands_has_a_token_or_gets_one(
    access: timedelta | None, refresh: timedelta | None, has_refresh: bool, is_machine: bool, skew: int
) -> None:
    from dataclasses import replace

    there = NOON + timedelta(seconds=skew)  # the server's clock, just now
    login = replace(
        stored(),
        skew=timedelta(seconds=skew),
        expires_at=None if access is None else there + access,
        refresh_token=Secret("rt") if has_refresh else None,
        refresh_until=None if refresh is None else there + refresh,
    )

    found = login_status(login, NOON, is_machine=is_machine)

    is_good = access is None or access > timedelta()
    renews = is_machine or (has_refresh and (refresh is None or refresh > timedelta()))
    assert found.renews == renews
    assert found.state == ("logged-in" if is_good else "lapsed-but-renews" if renews else "login-needed")
    assert found.access_until == (None if access is None else NOON + access)
    if not renews:
        assert found.ends_at == found.access_until


def test_offline_it_says_what_is_kept(desk: Desk) -> None:
    login = desk.save("http://127.0.0.1:9/")

    ran = desk.type("status", "--json")

    assert ran.code == 0
    told = ran.members()
    assert (told["state"], told["asked"], told["renews"], told["session_ends_at"]) == ("logged-in", False, True, None)
    assert login.expires_at is not None
    assert told["access_expires_at"] == login.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert told["store"] == {"place": None, "sealed": False}


def test_a_lapsed_token_that_renews_is_told_from_one_that_does_not(desk: Desk) -> None:
    desk.save("http://127.0.0.1:9/", **LAPSED)
    desk.save("http://127.0.0.1:9/", "over", **LAPSED, refresh_token=None)
    desk.save("http://127.0.0.1:9/", "late", **LAPSED, refresh_until=datetime(2020, 1, 2, tzinfo=UTC))

    codes = [desk.type("status", "--profile", name).code for name in ("default", "over", "late")]
    everything = desk.type("status", "--all", "--json")

    assert codes == [0, 4, 4]
    assert [told["state"] for told in everything.events()] == ["lapsed-but-renews", "login-needed", "login-needed"]
    assert everything.code == 4


def test_the_issuer_is_asked_by_a_refresh(desk: Desk) -> None:
    with issuer(granted(access_token="at-2", refresh_expires_in=7200), GONE) as server:
        desk.save(f"{server.url}/")
        good = desk.type("status", "--online", "--json")
        gone = desk.type("status", "--online", "--json")

    assert (good.code, good.members()["state"], good.members()["asked"]) == (0, "logged-in", True)
    ends = datetime.fromisoformat(str(good.members()["session_ends_at"]))
    assert timedelta(minutes=110) < ends - datetime.now(UTC) < timedelta(minutes=125)
    assert good.members()["refresh_expires_at"] == good.members()["session_ends_at"]
    assert (gone.code, gone.members()["state"], gone.members()["asked"]) == (4, "login-needed", True)


def test_a_network_that_is_down_is_not_a_login_that_is_over(desk: Desk) -> None:
    desk.save("http://127.0.0.1:9/")

    ran = desk.type("status", "--online", "--json")

    assert (ran.code, ran.members()["state"]) == (7, "offline-unknown")
    problem = ran.members()["problem"]
    assert isinstance(problem, dict)
    assert problem["code"] == "unreachable"
    assert desk.type("token").out == "at-1\n"  # still good


@pytest.mark.parametrize(("answer", "state", "code"), [(200, "logged-in", 0), (401, "login-needed", 4)])
def test_where_nothing_renews_the_issuer_is_asked_for_the_name(desk: Desk, answer: int, state: str, code: int) -> None:
    with issuer(userinfo=as_json(answer, sub=PAT)) as server:
        desk.save(f"{server.url}/", refresh_token=None, scope=Scope.of(["openid"]))
        ran = desk.type("status", "--online", "--json")
        unasked = desk.type("status", "--json")

    assert (ran.code, ran.members()["state"], ran.members()["asked"]) == (code, state, True)
    assert unasked.members()["asked"] is False


@pytest.mark.parametrize("said", [{"sub": "auth0|sam"}, {}], ids=["another", "nobody"])
def test_an_answer_about_somebody_else_is_not_believed_and_nothing_of_it_is_shown(
    desk: Desk, said: dict[str, str]
) -> None:
    """[C-OIDC-04]"""
    with issuer(userinfo=as_json(200, name="Mallory", email="mallory@example.com", **said)) as server:
        desk.save(f"{server.url}/", refresh_token=None, scope=Scope.of(["openid"]))
        online = [desk.type("status", "--online", *form) for form in ((), ("--json",))]
        after = [desk.type(*words) for words in (("whoami",), ("whoami", "--json"), ("status",))]

    told = online[1].members()
    assert (online[1].code, told["state"], told["asked"]) == (7, "offline-unknown", False)
    assert isinstance(told["problem"], dict)
    assert told["problem"]["code"] == "malformed"
    assert (told["subject"], told["name"]) == (PAT, "pat@example.com")
    assert [ran.code for ran in after] == [0, 0, 0]
    assert all("allory" not in ran.out + ran.err and "sam" not in ran.out + ran.err for ran in (*online, *after))


def test_without_an_id_token_nobody_knows_whom_an_answer_is_about(desk: Desk) -> None:
    """[C-OIDC-04]"""
    with issuer(userinfo=as_json(200, sub=PAT)) as server:
        desk.save(f"{server.url}/", refresh_token=None, subject=None, person=None, scope=Scope.of(["openid"]))
        ran = desk.type("status", "--online", "--json")

    assert (ran.code, ran.members()["state"], ran.members()["asked"]) == (0, "logged-in", False)
    assert ran.members()["subject"] is None


def test_one_damaged_login_does_not_hide_the_others(desk: Desk) -> None:
    desk.save("http://127.0.0.1:9/")
    desk.save("http://127.0.0.1:9/", "broken")
    (desk.home / "vault" / "broken.json").write_bytes(b"{")

    ran = desk.type("status", "--all", "--json")

    assert ran.code == 8
    problems = {str(told["profile"]): told["problem"] for told in ran.events()}
    assert problems["broken"] == {
        "code": "vault-damaged", "message": problems["broken"]["message"],
        "hint": "Run: keyfob login --profile broken", "exit": 8,
    }  # type: ignore[index]  # fmt: skip
    assert problems["default"] is None


def test_a_bound_login_says_so(desk: Desk) -> None:
    desk.save("http://127.0.0.1:9/", token_type="DPoP", proof_key=Secret("pem"))

    assert desk.type("status", "--json").members()["bound"] is True
    assert "DPoP" in desk.type("status").out

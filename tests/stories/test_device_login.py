"""Program, tenant and API together, in memory, on one fake clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.client.model.notices import CodeShown, NetworkTrouble, Notice, SlowedDown, StillPending
from keyfob.errors import LoginDeclined, LoginRequired, Malformed, Misuse, Refused, TimedOut, Unreachable
from keyfob.login import App
from keyfob.protocol.http import Request, Response
from keyfob.run import run
from keyfob.serve import ready_config
from keyfob.server.settings.device_rules import DeviceRules
from keyfob.testing.person import Person
from keyfob.testing.scene import ISSUER, ORDERS, Scene, SceneWorld, approve

Act = Callable[[Person, CodeShown], None]


class Screen:
    """What a program shows; after so many polls, somebody acts."""

    def __init__(self, scene: Scene, act: Act | None = None, after: int = 0) -> None:
        self.scene, self.after = scene, after
        self.act = act
        self.notices: list[Notice] = []
        self.shown: CodeShown | None = None

    def __call__(self, notice: Notice) -> None:
        self.notices.append(notice)
        if isinstance(notice, CodeShown):
            self.shown = notice
        polls = sum(isinstance(found, StillPending) for found in self.notices)
        if self.shown and polls == self.after and self.act:
            act, self.act = self.act, None
            act(self.scene.person(), self.shown)


def decline(person: Person, shown: CodeShown) -> None:
    person.open(shown.verification_uri)
    person.press("continue", user_code=shown.user_code)
    person.press("decline")


def test_the_token_a_person_approves_opens_the_api(scene: Scene) -> None:
    """[C-8628-05] [C-8628-09] [C-8628-10]."""
    screen = Screen(scene, approve, after=3)
    app = scene.app(screen)
    stored = app.log_in()
    assert stored.person == "person@example.com"
    assert "read:orders" in stored.scope
    answer = app.session().send(Request("GET", ORDERS))
    assert answer.status == 200
    assert stored.subject is not None
    assert stored.subject.encode() in answer.body
    assert sum(isinstance(notice, StillPending) for notice in screen.notices) == 3
    assert not any(isinstance(notice, SlowedDown) for notice in screen.notices)


def test_the_complete_address_leads_to_the_same_end(scene: Scene) -> None:
    """[AS-8628-12]."""

    def acts(person: Person, shown: CodeShown) -> None:
        assert shown.verification_uri_complete
        page = person.open(shown.verification_uri_complete)
        assert shown.user_code in page.text
        assert "keyfob CLI" in page.text
        person.press("confirm")
        person.press("login", email="person@example.com", password="correct horse battery staple")

    assert scene.app(Screen(scene, acts)).log_in().subject


def test_a_declined_login_keeps_nothing(scene: Scene) -> None:
    """[AS-8628-14] [C-8628-06]."""
    app = scene.app(Screen(scene, decline))
    with pytest.raises(LoginDeclined) as refused:
        app.log_in()
    assert refused.value.exit == 5
    with pytest.raises(LoginRequired):
        app.session().token()
    assert "fdecc" in [event["type"] for event in scene.events]


def test_nobody_comes_and_the_login_ends_in_time(scene: Scene) -> None:
    """[C-8628-08]."""
    start = scene.time.now()
    with pytest.raises(TimedOut) as refused:
        scene.app(Screen(scene)).log_in()
    assert refused.value.exit == 6
    assert scene.time.now() - start <= timedelta(minutes=15)


def test_a_login_survives_a_cut_network(scene: Scene) -> None:
    """[C-8628-07]."""
    screen = Screen(scene, approve, after=2)
    app = scene.app(screen)
    original, cuts = scene.pair.send, iter([False, True, True, True])

    def send(request: Request) -> Response:
        if request.path == "/oauth/token" and next(cuts, False):
            raise Unreachable("cut")
        return original(request)

    scene.pair.send = send  # type: ignore[method-assign]
    assert app.log_in().subject
    assert any(isinstance(notice, NetworkTrouble) for notice in screen.notices)


def test_a_wrong_issuer_is_noticed_before_anything_is_sent(scene: Scene) -> None:
    """[C-8414-02] [C-9700-02]."""
    app = App(issuer=ISSUER.removesuffix("/"), client_id="x", vault=scene.vault, world=SceneWorld(scene, print))
    with pytest.raises(Malformed) as refused:
        app.log_in()
    assert refused.value.code == "wrong-issuer"
    assert all(request.method == "GET" for request in scene.pair.sent)


@pytest.mark.parametrize("issuer", ["http://login.example/", "ftp://login.example/", "login.example", ""])
def test_an_issuer_that_is_not_safe_is_never_asked(scene: Scene, issuer: str) -> None:
    """[C-6749-01]."""
    with pytest.raises(Misuse):
        App(issuer=issuer, client_id="x", vault=scene.vault, world=SceneWorld(scene, print)).log_in()
    assert not scene.pair.sent


def test_an_unreachable_tenant_loses_nothing(scene: Scene) -> None:
    before = scene.log_in()
    scene.pair.cut.add("https://login.example")
    with pytest.raises(Unreachable) as refused:
        scene.app().log_in()
    assert refused.value.exit == 7
    assert scene.app().session().stored() == before


def test_an_unknown_program_is_refused_clearly(scene: Scene) -> None:
    world = SceneWorld(scene, print)
    app = App(issuer=ISSUER, client_id="nobody", flow="device", vault=scene.vault, world=world)
    with pytest.raises(Refused) as refused:
        app.log_in()
    assert refused.value.oauth_code == "unauthorized_client"
    assert refused.value.exit == 3


def test_a_lapsed_token_is_renewed_without_anybody(scene: Scene) -> None:
    """[C-6749-21]."""
    first = scene.log_in()
    scene.time.go(timedelta(days=1))
    session = scene.app().session()
    assert session.send(Request("GET", ORDERS)).status == 200
    assert session.stored().access_token != first.access_token
    assert session.stored().refresh_token != first.refresh_token


def test_a_lost_answer_to_a_refresh_does_not_log_out(scene: Scene) -> None:
    """[AS-9700-13]: the previous token works while its successor is unused."""
    first = scene.log_in()
    scene.time.go(timedelta(days=1))
    scene.app().session().token()
    run(scene.vault.save("default", first))
    assert scene.app().session().token() != first.access_token.reveal()


def test_a_copied_refresh_token_ends_its_family(scene: Scene) -> None:
    """[AS-9700-13]."""
    first = scene.log_in()
    for _ in range(2):
        scene.time.go(timedelta(days=1))
        scene.app().session().token()
    last = scene.app().session().stored()
    run(scene.vault.save("default", first))
    with pytest.raises(LoginRequired):
        scene.app().session().token()
    run(scene.vault.save("default", last))
    scene.time.go(timedelta(days=1))
    with pytest.raises(LoginRequired):
        scene.app().session().token()
    assert "ferrt" in [event["type"] for event in scene.events]


def test_after_logout_nothing_is_held_and_the_refresh_token_is_dead(scene: Scene) -> None:
    """[C-RPIL-01] [AS-7009-01]."""
    stored = scene.log_in()
    ended = scene.app().session().log_out()
    assert ended.revoked is True
    assert ended.alive_until == stored.expires_at
    with pytest.raises(LoginRequired):
        scene.app().session().token()
    run(scene.vault.save("default", stored))
    scene.time.go(timedelta(days=1))
    with pytest.raises(LoginRequired):
        scene.app().session().token()


def test_logout_forgets_though_the_tenant_is_gone(scene: Scene) -> None:
    """[C-RPIL-01]."""
    scene.log_in()
    scene.pair.cut.add("https://login.example")
    ended = scene.app().session().log_out()
    assert ended.revoked is False
    assert ended.problem
    with pytest.raises(LoginRequired):
        scene.app().session().stored()


def test_a_token_without_the_scope_is_told_which_one(scene: Scene) -> None:
    """[RS-6750-05]."""
    scene.log_in("write:orders")
    answer = scene.app().session().send(Request("GET", ORDERS))
    assert answer.status == 403
    assert 'scope="read:orders"' in (answer.header("www-authenticate") or "")


def test_the_api_refuses_a_lapsed_token(scene: Scene) -> None:
    """[RS-9068-04]."""
    stored = scene.log_in()
    scene.time.go(timedelta(days=1, minutes=1))
    bearer = (("authorization", f"Bearer {stored.access_token.reveal()}"),)
    answer = scene.send(Request("GET", ORDERS, bearer))
    assert answer.status == 401
    assert b"expired" in answer.body


@pytest.mark.parametrize("address", ["http://orders.example/orders", "ftp://orders.example/orders"])
def test_a_token_is_not_sent_in_clear_beyond_this_machine(scene: Scene, address: str) -> None:
    """[C-6749-01]."""
    scene.log_in()
    before = len(scene.pair.sent)
    with pytest.raises(Misuse):
        scene.app().session().send(Request("GET", address))
    assert len(scene.pair.sent) == before


def test_a_person_carries_the_number_of_the_page_back_to_the_terminal() -> None:
    """[AS-10027-02]: the program shows where it runs, and the person types what the page shows, once wrongly."""
    scene = Scene(replace(ready_config(ISSUER), name="Example", device=DeviceRules(number_back=True)))
    person, typed = scene.person(), list[str]()

    def acts(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            assert notice.verification_uri_complete
            assert (
                "pats-laptop · Linux (as reported by the device)" in person.open(notice.verification_uri_complete).text
            )
            approve(person, notice)

    def answer() -> str:
        number = re.search(r"\d{3} \d{3}", person.page.text)
        assert number is not None
        typed.append("000 000" if not typed else number[0])
        return typed[-1]

    app = scene.app(acts)
    world = app._world  # type: ignore[attr-defined]
    assert isinstance(world, SceneWorld)
    world.here = replace(world.here, host="pats-laptop", system="Linux")
    world.answers["number"] = answer
    assert app.log_in().person == "person@example.com"
    assert len(typed) == 2

"""Commands that need a login: it is offered at a terminal, and the command goes on."""

from __future__ import annotations

import pytest

from keyfob.testing.scene import EMAIL
from tests.embed.programs import Program


@pytest.mark.parametrize("answer", ["\n", "y\n", "YES\n"])
def test_a_login_is_offered_and_the_command_then_runs(orders: Program, answer: str) -> None:
    ran = orders.type("read", answers=answer)
    assert (ran.code, orders.calls) == (0, ["read"])
    assert "orders: not logged in; log in now? [Y/n]" in ran.err
    assert f"logged in as {EMAIL}" in ran.err
    assert "brass key" in ran.out


@pytest.mark.parametrize("answer", ["n\n", "no\n", "?\n", ""])
@pytest.mark.parametrize("command", ["read", "plain"])
def test_a_user_who_does_not_want_to_is_asked_once(orders: Program, command: str, answer: str) -> None:
    ran = orders.type(command, answers=answer)
    assert (ran.code, ran.err.count("log in now?")) == (4, 1)
    assert "Run: orders login" in ran.err
    assert ran.out == ""


def test_a_command_without_the_decorator_runs_again_after_the_login(orders: Program) -> None:
    ran = orders.type("plain", answers="y\n")
    assert (ran.code, orders.calls) == (0, ["plain", "plain"])
    assert "brass key" in ran.out


def test_a_login_that_has_ended_is_offered_anew(orders: Program) -> None:
    orders.type("login")
    orders.scene.post("oauth/revoke", token=refresh_token(orders), client_id="keyfob-cli")
    orders.scene.time.go(orders.login.session().stored().expires_at - orders.scene.time.now())
    assert orders.type("read").code == 4
    ran = orders.type("read", answers="y\n")
    assert (ran.code, orders.calls) == (0, ["read"])


def refresh_token(orders: Program) -> str:
    token = orders.login.session().stored().refresh_token
    assert token is not None
    return token.reveal()


def test_a_scope_that_is_missing_is_named_and_asked_for(orders: Program) -> None:
    orders.type("login")
    ran = orders.type("place", "padlock")
    assert (ran.code, orders.calls) == (4, [])
    assert "write:orders" in ran.err
    assert 'orders login --scope "write:orders"' in ran.err
    ran = orders.type("place", "padlock", answers="y\n")
    assert (ran.code, orders.calls) == (0, ["place padlock"])
    assert {"read:orders", "write:orders"} <= orders.login.session().stored().scope.names


def test_the_command_that_the_message_names_helps(orders: Program) -> None:
    orders.type("login")
    assert orders.type("login", "--scope", "write:orders").code == 0
    assert orders.type("place", "padlock").code == 0


def test_a_first_login_for_a_command_allows_what_the_command_needs(orders: Program) -> None:
    ran = orders.type("place", "padlock", answers="y\n")
    assert (ran.code, orders.calls) == (0, ["place padlock"])
    assert ran.err.count("log in now?") == 1


def test_an_issuer_that_is_away_is_an_error_of_its_own(orders: Program) -> None:
    orders.scene.pair.cut.add(orders.scene.config.origin)
    ran = orders.type("login")
    assert ran.code == 7
    assert "Traceback" not in ran.err


def test_ctrl_c_at_the_offer_ends_the_program(orders: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("tests.embed.programs.Terminal.readline", interrupted)
    ran = orders.type("read", answers="y\n")
    assert ran.code in {1, 130}  # Click and Typer have codes of their own
    assert orders.calls == []
    assert "Traceback" not in ran.err

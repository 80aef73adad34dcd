"""The commands that a program gets, in each framework: what they print, and how they end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from keyfob.embed.command_table import COMMANDS
from keyfob.errors import Misuse
from keyfob.testing.scene import EMAIL
from tests.embed.programs import Program


def test_a_user_logs_in_and_uses_the_login_and_logs_out(orders: Program) -> None:
    ran = orders.type("login")
    assert (ran.code, ran.out) == (0, "")
    assert f"orders: logged in as {EMAIL}" in ran.err
    assert orders.type("whoami").out.startswith(EMAIL)
    token = orders.type("token")
    assert (token.code, token.err) == (0, "")
    assert token.out.strip() == orders.login.session().token()
    read = orders.type("read")
    assert (read.code, orders.calls) == (0, ["read"])
    assert "brass key" in read.out
    left = orders.type("logout")
    assert left.code == 0
    assert "orders: logged out" in left.err
    assert orders.type("status").code == 4


def test_nobody_is_logged_in_at_first(orders: Program) -> None:
    """[FC-06]: what is printed names the program, and never keyfob's own command."""
    for words in (["whoami"], ["token"], ["read"], ["plain"]):
        ran = orders.type(*words)
        assert (ran.code, ran.out) == (4, "")
        assert "not logged in" in ran.err
        assert "Run: orders login" in ran.err
        assert "keyfob" not in ran.err
    status = orders.type("status")
    assert (status.code, status.out) == (4, "default: not logged in\n")
    assert "orders login" in status.err
    assert orders.type("logout").code == 0


def test_programs_read_json(orders: Program) -> None:
    orders.type("login")
    status, who = (json.loads(orders.type(word, "--json").out) for word in ("status", "whoami"))
    assert (status["profile"], status["state"], status["name"]) == ("default", "logged-in", EMAIL)
    assert (who["profile"], who["name"], who["renews"]) == ("default", EMAIL, True)
    orders.type("logout")
    ran = orders.type("status", "--json")
    assert (ran.code, json.loads(ran.out)["state"]) == (4, "login-needed")


def test_a_user_has_two_logins_and_switches(orders: Program) -> None:
    """[FC-05]."""
    orders.type("login")
    assert orders.type("switch").code == 2
    first = orders.type("token").out
    assert orders.type("login", "--profile", "work").code == 0
    second = orders.type("token").out
    assert second != first
    assert orders.type("token", "--profile", "default").out == first
    assert orders.type("switch").code == 0
    assert orders.type("token").out == first
    assert orders.type("switch", "work").code == 0
    assert orders.type("token").out == second
    assert orders.type("logout", "--profile", "default").code == 0
    assert orders.type("token").out == second


def test_of_three_logins_the_user_is_asked(orders: Program) -> None:
    for name in ("default", "home", "work"):
        orders.type("login", "--profile", name)
    ran = orders.type("switch")
    assert ran.code == 2
    assert "default, home" in ran.err
    asked = orders.type("switch", answers="home\n")
    assert asked.code == 0
    assert "home is used from now on" in asked.err
    assert orders.type("status").out.startswith("home: ")
    for typed in ("nothing\n", "../x\n"):
        assert orders.type("switch", answers=typed).code == 2
    assert orders.type("status").out.startswith("home: ")


@pytest.mark.parametrize("name", ["../x", "", "x" * 28, "a b", "-"])
def test_a_login_has_a_plain_name(orders: Program, name: str) -> None:
    for command in ("login", "whoami"):
        assert orders.type(command, f"--profile={name}").code == 2


WRONG = [["login", "--flow", "password"], ["login", "--nothing"], ["nothing"], ["login", "x"]]


@pytest.mark.parametrize("words", WRONG)
def test_what_is_typed_wrongly_ends_with_the_code_of_the_framework(orders: Program, words: list[str]) -> None:
    ran = orders.type(*words)
    assert ran.code in ({1, 2} if orders.framework == "cyclopts" else {2})
    assert "Traceback" not in ran.err


def test_help_and_mistakes_touch_neither_the_vault_nor_the_network(orders: Program) -> None:
    before = len(orders.scene.pair.sent)
    for words in (["--help"], *([one.name, "--help"] for one in COMMANDS), ["read", "--help"], ["nothing"]):
        orders.type(*words)
    assert vars(orders.login)["_app"] is None
    assert len(orders.scene.pair.sent) == before


def test_help_names_every_command_and_every_option(orders: Program) -> None:
    shown = orders.type("--help").out
    for command in COMMANDS:
        assert command.name in shown
        told = orders.type(command.name, "--help").out
        for option in command.options:
            assert option.is_argument or option.flag in told
            names = {option.metavar, option.name.upper()}
            assert not option.is_argument or names & set(re.findall("[A-Z]+", told))


def test_a_command_that_the_program_has_already_is_not_replaced(orders_in: Callable[..., Program]) -> None:
    import click

    group = click.Group("orders")
    group.command("status")(lambda: None)
    with pytest.raises(Misuse, match="status"):
        orders_in("click").login.mount(group)


def test_only_programs_of_known_frameworks_are_taken(orders_in: Callable[..., Program]) -> None:
    with pytest.raises(TypeError, match="argparse"):
        orders_in("click").login.mount(object())

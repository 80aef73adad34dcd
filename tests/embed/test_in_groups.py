"""Programs with groups of commands, options of their own and asynchronous commands."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyfob.errors import LoginRequired
from tests.embed.programs import Program


@pytest.mark.parametrize("framework", ["click", "typer"])
def test_commands_of_nested_groups_are_offered_the_login_too(framework: str, orders_in: Callable[..., Program]) -> None:
    program = orders_in(framework)
    refused = program.type("nested", "plain")
    assert refused.code == 4
    assert "orders login" in refused.err
    ran = program.type("nested", "plain", answers="y\n")
    assert ran.code == 0
    assert "brass key" in ran.out


def test_what_was_asked_for_before_the_login_is_not_asked_for_again(orders_in: Callable[..., Program]) -> None:
    import click

    program, asked = orders_in("click"), []
    group = click.Group("orders")

    @group.command("ask")
    @click.option("--item", prompt=True, callback=lambda _, __, value: asked.append(value) or value)
    def ask(item: str) -> None:
        click.echo(f"{item} {program.read()}")

    program.login.mount(group)
    program.run = lambda words: group.main(words, prog_name="orders")
    ran = program.type("ask", "--item", "padlock", answers="y\n")
    assert (ran.code, asked) == (0, ["padlock"])
    assert "padlock" in ran.out


def test_in_click_an_error_is_an_exception_of_click(orders_in: Callable[..., Program]) -> None:
    import click

    program = orders_in("click")
    group = click.Group("orders")
    group.command("plain")(lambda: click.echo(program.read()))
    program.login.mount(group)
    with pytest.raises(click.ClickException, match="not logged in") as caught:
        group.main(["plain"], standalone_mode=False)
    assert caught.value.exit_code == 4


def test_a_group_that_was_mounted_is_still_of_its_own_class(orders_in: Callable[..., Program]) -> None:
    import click

    program = orders_in("click")

    class OrdersGroup(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:
            return sorted(super().list_commands(ctx), reverse=True)

    group = OrdersGroup("orders")
    program.login.mount(group)
    assert isinstance(group, OrdersGroup)
    program.run = lambda words: group.main(words, prog_name="orders")
    shown = program.type("--help").out
    assert shown.index("whoami") < shown.index("login")


def test_an_asynchronous_command_starts_with_a_login_too(orders_in: Callable[..., Program]) -> None:
    import cyclopts

    program = orders_in("cyclopts")
    cli = cyclopts.App("orders")

    @cli.command
    @program.login.requires_login("read:orders")
    async def later() -> int:
        program.calls.append("later")
        return 7

    program.login.mount(cli)
    program.run = lambda words: program.login.run(cli, words)
    assert (program.type("later").code, program.calls) == (4, [])
    program.type("login")
    assert (program.type("later").code, program.calls) == (7, ["later"])


def test_the_decorator_works_without_any_framework(orders_in: Callable[..., Program]) -> None:
    program = orders_in("argparse")

    @program.login.requires_login()
    def read(prefix: str, *, suffix: str = "") -> str:
        """Read the orders."""
        return prefix + program.read() + suffix

    assert (read.__name__, read.__doc__) == ("read", "Read the orders.")
    with pytest.raises(LoginRequired):
        read("a")
    program.type("login")
    assert read("a", suffix="z").startswith('a{"orders"')


def test_argparse_commands_say_their_exit_code(orders_in: Callable[..., Program]) -> None:
    from argparse import ArgumentParser

    program = orders_in("argparse")
    parser = ArgumentParser("orders")
    commands = parser.add_subparsers()
    for name, result in (("three", 3), ("none", None), ("true", True), ("text", "x")):
        commands.add_parser(name).set_defaults(func=lambda _, result=result: result)
    program.login.mount(commands)
    program.run = lambda words: program.login.run(parser, words)
    assert [program.type(name).code for name in ("three", "none", "true", "text")] == [3, 0, 0, 0]
    assert program.type().code == 2

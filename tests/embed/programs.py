"""The same small program in each framework, and the words that a user types into it."""

from __future__ import annotations

import io
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keyfob.client.model.notices import CodeShown, Notice
from keyfob.embed import CliApp
from keyfob.protocol.http import Request
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID
from keyfob.testing.scene import ORDERS, Scene, SceneWorld, approve

FRAMEWORKS = ("argparse", "click", "cyclopts", "typer")


class Terminal(io.StringIO):
    """What a user types at a terminal, or sees there."""

    def isatty(self) -> bool:
        return True


@dataclass
class Ran:
    code: int
    out: str
    err: str


@dataclass
class Program:
    """A program called `orders`, whose users log in at a tenant in memory, and who approve at once.

    Attributes:
        calls: The commands that have begun, and with what.
    """

    framework: str
    scene: Scene
    login: CliApp
    calls: list[str] = field(default_factory=list)
    run: Callable[[list[str]], object] = lambda _: None
    monkeypatch: pytest.MonkeyPatch | None = None

    def type(self, *words: str, answers: str | None = None) -> Ran:
        """Run the program.

        Args:
            words: What stands after its name.
            answers: What the user types at the terminal; None if there is no terminal.
        """
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        err = io.StringIO() if answers is None else Terminal()
        assert self.monkeypatch is not None
        with self.monkeypatch.context() as patched:
            patched.setattr("sys.stdin", io.StringIO() if answers is None else Terminal(answers))
            patched.setattr("sys.stdout", out)
            patched.setattr("sys.stderr", err)
            with pytest.raises(SystemExit) as ended:
                self.run(list(words))
        code = ended.value.code
        shown = out.buffer.getvalue().decode()  # type: ignore[attr-defined]
        return Ran(code if isinstance(code, int) else 0 if code is None else 1, shown, err.getvalue())

    def read(self) -> str:
        return self.login.session().send(Request("GET", ORDERS)).body.decode()


def make(framework: str, scene: Scene, home: Path, monkeypatch: pytest.MonkeyPatch, **more: object) -> Program:
    def approved(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            approve(scene.person(), notice)

    settings: dict[str, object] = {
        "name": "orders",
        "issuer": scene.config.issuer,
        "client_id": READY_CLIENT_ID,
        "audience": READY_AUDIENCE,
        "scopes": "read:orders",
        "home": home,
        "store": "file",
        "world": SceneWorld(scene, approved),
        **more,
    }
    login = CliApp(**settings)  # type: ignore[arg-type]
    program = Program(framework, scene, login, monkeypatch=monkeypatch)
    MAKERS[framework](program)
    return program


def commands_of(program: Program) -> tuple[Callable[[], None], Callable[[], None], Callable[[str], None]]:
    """Return three commands: one that needs a login and says so, one that does not say so, and one with an argument."""

    @program.login.requires_login("read:orders")
    def read() -> None:
        """Read the orders."""
        program.calls.append("read")
        sys.stdout.write(program.read())

    def plain() -> None:
        """Read them, without having said that this needs a login."""
        program.calls.append("plain")
        sys.stdout.write(program.read())

    @program.login.requires_login("write:orders")
    def place(item: str) -> None:
        """Order an item."""
        program.calls.append(f"place {item}")

    return read, plain, place


def of_argparse(program: Program) -> None:
    read, plain, place = commands_of(program)
    parser = ArgumentParser("orders")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("read").set_defaults(func=lambda _: read())
    commands.add_parser("plain").set_defaults(func=lambda _: plain())
    placing = commands.add_parser("place")
    placing.add_argument("item")
    placing.set_defaults(func=lambda flags: place(flags.item))
    program.login.mount(commands)
    program.run = lambda words: program.login.run(parser, words)


def of_click(program: Program) -> None:
    import click

    read, plain, place = commands_of(program)
    group, nested = click.Group("orders"), click.Group("nested")
    group.command("read")(read)
    group.command("plain")(plain)
    nested.command("plain")(plain)
    group.add_command(nested)
    group.command("place")(click.argument("item")(place))
    program.login.mount(group)
    program.run = lambda words: group.main(words, prog_name="orders")


def of_typer(program: Program) -> None:
    import typer

    read, plain, place = commands_of(program)
    cli, nested = typer.Typer(), typer.Typer()
    cli.command("read")(read)
    cli.command("plain")(plain)
    nested.command("plain")(plain)
    nested.command("other")(plain)
    cli.add_typer(nested, name="nested")
    cli.command("place")(place)
    program.login.mount(cli)
    program.run = lambda words: cli(words, prog_name="orders")


def of_cyclopts(program: Program) -> None:
    import cyclopts

    read, plain, place = commands_of(program)
    cli = cyclopts.App("orders")
    cli.command(read, name="read")
    cli.command(plain, name="plain")
    cli.command(place, name="place")
    program.login.mount(cli)
    program.run = lambda words: program.login.run(cli, words)


MAKERS: dict[str, Callable[[Program], None]] = {
    "argparse": of_argparse,
    "click": of_click,
    "cyclopts": of_cyclopts,
    "typer": of_typer,
}

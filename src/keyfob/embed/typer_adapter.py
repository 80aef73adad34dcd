"""Login commands for Typer, using only its public names: since 0.26 Typer contains a private copy of Click."""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from keyfob.embed.attending_group import attending
from keyfob.embed.command_table import COMMANDS, Option, check_names
from keyfob.embed.function_of_command import function_of, type_of
from keyfob.errors import KeyfobError
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    from keyfob.embed import login_actions
    from keyfob.embed.offered_login import ProgramLogin
else:
    login_actions = LazyModule("keyfob.embed.login_actions")


def mount(login: ProgramLogin, program: typer.Typer) -> None:
    """Add the login commands to a program, and make its group handle keyfob's errors."""
    check_names(one.name or str(getattr(one.callback, "__name__", "")) for one in program.registered_commands)
    for command in COMMANDS:
        function = function_of(login, command, _annotation)

        def run(*args: object, _function: Any = function, **kwargs: object) -> None:  # noqa: ANN401
            raise typer.Exit(_function(*args, **kwargs))

        program.command(command.name, help=command.help)(update_wrapper(run, function))
    group = program.info.cls
    program.info.cls = attending(group if isinstance(group, type) else TyperGroup, login, _failure)


def _annotation(option: Option) -> Any:  # noqa: ANN401  what Typer reads
    if option.is_argument:
        return Annotated[type_of(option), typer.Argument(help=option.help, metavar=option.metavar, show_default=False)]
    metavar = None if option.choices else option.metavar or None
    return Annotated[type_of(option), typer.Option(option.flag, help=option.help, metavar=metavar, show_default=False)]


def _failure(problem: KeyfobError) -> Exception:
    typer.secho(f"Error: {login_actions.describe(problem)}", err=True, fg=typer.colors.RED)
    return typer.Exit(problem.exit)

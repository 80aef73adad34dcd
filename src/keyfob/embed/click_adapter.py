"""Login commands for Click, and keyfob's errors as `ClickException`s."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from keyfob.embed.attending_group import attending
from keyfob.embed.command_table import COMMANDS, LoginCommand, Option, check_names
from keyfob.errors import KeyfobError
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    from keyfob.embed import login_actions
    from keyfob.embed.offered_login import ProgramLogin
else:
    login_actions = LazyModule("keyfob.embed.login_actions")


def mount(login: ProgramLogin, group: click.Group) -> None:
    """Add the login commands to a group, and make the group handle keyfob's errors."""
    check_names(group.commands)
    for command in COMMANDS:
        group.add_command(_command(login, command))
    group.__class__ = attending(type(group), login, _failure)


def _command(login: ProgramLogin, command: LoginCommand) -> click.Command:
    def run(**values: object) -> None:
        code = login_actions.run_command(login.app, command.name, values)
        click.get_current_context().exit(code)

    parameters = [_parameter(option) for option in command.options]
    return click.Command(command.name, callback=run, params=parameters, help=command.help)


def _parameter(option: Option) -> click.Parameter:
    if option.is_argument:
        return click.Argument([option.name], required=False, metavar=f"[{option.metavar}]")
    if not option.metavar:
        return click.Option([option.flag], is_flag=True, help=option.help)
    kind = click.Choice(option.choices) if option.choices else click.STRING
    return click.Option([option.flag], type=kind, metavar=None if option.choices else option.metavar, help=option.help)


class KeyfobFailure(click.ClickException):
    """An error of keyfob in Click's style, with the exit code of docs/errors.md."""

    def __init__(self, problem: KeyfobError) -> None:
        super().__init__(login_actions.describe(problem))
        vars(self)["exit_code"] = problem.exit  # Click declares one for each class


def _failure(problem: KeyfobError) -> Exception:
    return KeyfobFailure(problem)

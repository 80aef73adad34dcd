"""Login commands for cyclopts, and the call that runs the program."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import cyclopts

from keyfob.embed.command_table import COMMANDS, Option, check_names
from keyfob.embed.function_of_command import function_of, type_of
from keyfob.embed.offered_login import attended
from keyfob.errors import KeyfobError
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    from keyfob.embed import login_actions
    from keyfob.embed.offered_login import ProgramLogin
else:
    login_actions = LazyModule("keyfob.embed.login_actions")


def mount(login: ProgramLogin, program: cyclopts.App) -> None:
    """Add the login commands to a program."""
    check_names(program)
    for command in COMMANDS:
        program.command(function_of(login, command, _annotation), name=command.name, help=command.help)


def run(login: ProgramLogin, program: cyclopts.App, arguments: Sequence[str] | None) -> NoReturn:
    """Run the program, and exit."""
    try:
        attended(login, lambda: program(arguments))
    except KeyfobError as problem:
        program.error_console.print(cyclopts.CycloptsPanel(login_actions.describe(problem)))
        sys.exit(problem.exit)
    sys.exit(0)


def _annotation(option: Option) -> Any:  # noqa: ANN401  what cyclopts reads
    name = None if option.is_argument else option.flag
    return Annotated[type_of(option), cyclopts.Parameter(name=name, help=option.help, negative="", show_default=False)]

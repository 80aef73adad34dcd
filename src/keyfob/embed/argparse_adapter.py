"""The adapter for argparse: it adds each login command as a sub-parser with a `func`, and runs the parsed command."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from functools import partial

from keyfob.embed.command_table import COMMANDS, INTERRUPTED, LoginCommand, Option, check_names
from keyfob.embed.offered_login import attended
from keyfob.lazy import LazyModule

TYPE_CHECKING = False  # as in `keyfob.lazy`
if TYPE_CHECKING:
    from argparse import _SubParsersAction as SubParsers  # pyright: ignore[reportPrivateUsage]  it has no other name
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from keyfob import errors
    from keyfob.embed import login_actions
    from keyfob.embed.offered_login import ProgramLogin
else:
    errors = LazyModule("keyfob.errors")
    login_actions = LazyModule("keyfob.embed.login_actions")


def mount(login: ProgramLogin, commands: SubParsers[ArgumentParser]) -> None:
    """Add the login commands to `commands`, the return value of `ArgumentParser.add_subparsers`."""
    check_names(commands.choices)
    for command in COMMANDS:
        parser = commands.add_parser(command.name, help=command.help, description=command.help)
        for option in command.options:
            _add(parser, option)
        parser.set_defaults(func=partial(_run_command, login, command))


def run(login: ProgramLogin, parser: ArgumentParser, arguments: Sequence[str] | None) -> NoReturn:
    """Parse the arguments, run the command's `func`, and exit.

    If `func` returns a number, this is the exit code. If it returns anything else, the exit code is 0.
    """
    flags = parser.parse_args(arguments)
    command: Callable[[Namespace], object] | None = getattr(flags, "func", None)
    if command is None:
        parser.error("a command is needed")
    try:
        code = attended(login, lambda: command(flags))
        sys.stdout.flush()
    except errors.KeyfobError as problem:
        parser.exit(problem.exit, f"{parser.prog}: error: {login_actions.describe(problem)}\n")
    except KeyboardInterrupt:
        parser.exit(INTERRUPTED, "\n")
    parser.exit(code if isinstance(code, int) and not isinstance(code, bool) else 0)


def _add(parser: ArgumentParser, option: Option) -> None:
    if option.is_argument:
        parser.add_argument(option.name, nargs="?", metavar=option.metavar, help=option.help)
    elif not option.metavar:
        parser.add_argument(option.flag, action="store_true", help=option.help)
    else:
        choices = option.choices or None
        parser.add_argument(option.flag, metavar=option.metavar, choices=choices, help=_help(option))


def _help(option: Option) -> str:
    return f"{option.help} One of {', '.join(option.choices)}." if option.choices else option.help


def _run_command(login: ProgramLogin, command: LoginCommand, flags: Namespace) -> int:
    values = {option.name: getattr(flags, option.name) for option in command.options}
    return login_actions.run_command(login.app, command.name, values)

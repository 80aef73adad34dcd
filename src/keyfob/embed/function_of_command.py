"""Create a command's function, whose signature tells Typer and cyclopts the command's options."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, Literal

from keyfob.embed.command_table import LoginCommand, Option
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    from keyfob.embed import login_actions
    from keyfob.embed.offered_login import ProgramLogin
else:
    login_actions = LazyModule("keyfob.embed.login_actions")


def function_of(login: ProgramLogin, command: LoginCommand, annotate: Callable[[Option], Any]) -> Callable[..., int]:
    """Return a function that runs a login command and returns the exit code.

    Args:
        login: The program's login.
        command: The command.
        annotate: Returns an option's type annotation in the framework's form.
    """
    parameters = [
        Parameter(
            option.name,
            Parameter.POSITIONAL_OR_KEYWORD if option.is_argument else Parameter.KEYWORD_ONLY,
            default=None if option.metavar else False,
            annotation=annotate(option),
        )
        for option in command.options
    ]
    signature = Signature(parameters)

    def run(*args: object, **kwargs: object) -> int:
        return login_actions.run_command(login.app, command.name, signature.bind(*args, **kwargs).arguments)

    run.__name__ = command.name
    run.__doc__ = command.help
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    vars(run)["__signature__"] = signature
    return run


def type_of(option: Option) -> Any:  # noqa: ANN401  a type, which is made at run time
    """Return the type of an option's value."""
    if not option.metavar:
        return bool
    kind: Any = Literal[option.choices] if option.choices else str
    return kind | None

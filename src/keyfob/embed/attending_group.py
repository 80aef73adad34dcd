"""A command group that handles keyfob's errors, for Click and for the copy of Click in Typer."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from keyfob.embed.offered_login import attended
from keyfob.errors import KeyfobError

if TYPE_CHECKING:
    from keyfob.embed.offered_login import ProgramLogin


def attending(group: type[Any], login: ProgramLogin, failure: Callable[[KeyfobError], Exception]) -> type[Any]:
    """Return a subclass of `group` that offers a login if a command fails for lack of a login.

    Args:
        group: `click.Group`, or Typer's equivalent class.
        login: The program's login.
        failure: Returns the framework's exception for an error.
    """

    def resolve_command(self: Any, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:  # noqa: ANN401
        name, command, rest = group.resolve_command(self, ctx, args)
        return name, command and _attended(command, login, failure), rest

    def invoke(self: Any, ctx: Any) -> Any:  # noqa: ANN401
        try:
            return group.invoke(self, ctx)
        except KeyfobError as problem:
            raise failure(problem) from None

    return type(f"Attending{group.__name__}", (group,), {"resolve_command": resolve_command, "invoke": invoke})


def _attended(command: Any, login: ProgramLogin, failure: Callable[[KeyfobError], Exception]) -> Any:  # noqa: ANN401
    """Return a copy of a command. If the command fails for lack of a login, the copy offers one and runs it again."""
    found = copy(command)
    callback = command.callback
    if callback is not None:

        def run(*args: object, **kwargs: object) -> object:
            return attended(login, partial(callback, *args, **kwargs))

        found.callback = update_wrapper(run, callback)
    if hasattr(found, "resolve_command"):
        found.__class__ = attending(command.__class__, login, failure)
    return found

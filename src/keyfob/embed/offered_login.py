"""Run a command, and offer a login if the command fails for lack of a login. All adapters use this module."""

from __future__ import annotations

from keyfob.lazy import LazyModule

TYPE_CHECKING = False  # as in `keyfob.lazy`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    from keyfob import errors
    from keyfob.embed import login_actions
    from keyfob.login import App

    T = TypeVar("T")

    class ProgramLogin(Protocol):
        """The part of `CliApp` that the adapters use."""

        @property
        def app(self) -> App:
            """The `App`, created on first use."""
            ...

else:
    errors = LazyModule("keyfob.errors")
    login_actions = LazyModule("keyfob.embed.login_actions")


def attended(login: ProgramLogin, command: Callable[[], T]) -> T:
    """Run a command. If it fails for lack of a login, offer a login, and run the command once more.

    Raises:
        KeyfobError: The command failed. `LoginRequired` means that the user did not log in.
    """
    try:
        return command()
    except errors.LoginRequired as problem:
        if not login_actions.is_accepted(login.app, problem):
            raise
    login_actions.log_in(login.app)
    return command()

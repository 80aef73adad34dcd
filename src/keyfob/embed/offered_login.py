"""Run a command, and offer the login that it turns out to need. The adapters of the frameworks call this."""

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
        """A `CliApp`, as its adapters see it."""

        @property
        def app(self) -> App:
            """The `App`, made on first use."""
            ...

else:
    errors = LazyModule("keyfob.errors")
    login_actions = LazyModule("keyfob.embed.login_actions")


def attended(login: ProgramLogin, command: Callable[[], T]) -> T:
    """Run a command. If it needs a login, offer one, and run it once more.

    Raises:
        KeyfobError: As the command; `LoginRequired` also if the user does not log in.
    """
    try:
        return command()
    except errors.LoginRequired as problem:
        if not login_actions.is_accepted(login.app, problem):
            raise
    login_actions.log_in(login.app)
    return command()

"""The login of a command-line program. Until a token is needed, it costs the program nothing but this module."""

from __future__ import annotations

from functools import update_wrapper

from keyfob.embed.offered_login import attended
from keyfob.lazy import LazyModule

TYPE_CHECKING = False  # as in `keyfob.lazy`
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path
    from typing import Any, Concatenate, NoReturn, ParamSpec, Self, TypeVar

    from keyfob.embed import argparse_adapter, click_adapter, cyclopts_adapter, login_actions, typer_adapter
    from keyfob.login import App, Session

    P = ParamSpec("P")
    T = TypeVar("T")
else:  # each of the first four loads its framework
    argparse_adapter = LazyModule("keyfob.embed.argparse_adapter")
    click_adapter = LazyModule("keyfob.embed.click_adapter")
    cyclopts_adapter = LazyModule("keyfob.embed.cyclopts_adapter")
    typer_adapter = LazyModule("keyfob.embed.typer_adapter")
    login_actions = LazyModule("keyfob.embed.login_actions")
    App = object

_COROUTINE = 0x80  # inspect.CO_COROUTINE; importing inspect takes longer than all the rest
_ADAPTERS = {"argparse": argparse_adapter, "click": click_adapter, "cyclopts": cyclopts_adapter, "typer": typer_adapter}


def _with_arguments_of(_: Callable[P, object]) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Let type checkers see a constructor with the arguments of another class."""

    def same(constructor: Callable[..., None]) -> Callable[..., None]:
        return constructor

    return same


class CliApp:
    """An `App` for a command-line program: its login commands, its errors, and the commands that need a login."""

    @_with_arguments_of(App)
    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  checkers see the arguments of App
        """Store the arguments of `keyfob.login.App`. They are looked at when a login is first needed.

        Args:
            settings: `name`, `issuer`, `client_id` and all others of `App`.
        """
        self._make: Callable[[type[App]], App] = lambda app: app(**settings)
        self._app: App | None = None

    @classmethod
    def from_toml(cls, path: Path | Traversable) -> Self:
        """Take the settings from a file, as `keyfob.login.App.from_toml` does; it is read when a login is needed."""
        found = cls(issuer="", client_id="")  # as no App is made of them
        found._make = lambda app: app.from_toml(path)
        return found

    @property
    def app(self) -> App:
        """The `App`, made on first use. A test may set another.

        Raises:
            Misuse: A setting is invalid.
        """
        if self._app is None:
            from keyfob.login import App  # noqa: PLC0415  20 ms, and nothing before this needs it

            self._app = self._make(App)
        return self._app

    @app.setter
    def app(self, app: App) -> None:
        self._app = app

    def session(self) -> Session:
        """Return a session of the stored login, as `keyfob.login.App.session`."""
        return self.app.session()

    def mount(self, cli: Any) -> None:  # noqa: ANN401  a program of a framework that may not be installed
        """Add the commands `login`, `logout`, `whoami`, `status`, `token` and `switch` to a program.

        In a Click or Typer program, errors of keyfob are then printed in the style of the framework, and end with the
        exit codes of docs/errors.md. If a command needs a login, and there is a user at the terminal, the login is
        offered, and the command is run again from its beginning.

        Args:
            cli: A `click.Group`, a `typer.Typer`, a `cyclopts.App` or, for argparse, what `add_subparsers` returned.

        Raises:
            TypeError: It is of no known framework.
        """
        for one in type(cli).__mro__:
            adapter = _ADAPTERS.get(one.__module__.partition(".")[0])
            if adapter is not None:
                adapter.mount(self, cli)
                return
        raise TypeError("not a program of argparse, Click, Typer or cyclopts")

    def run(self, cli: Any, arguments: Sequence[str] | None = None) -> NoReturn:  # noqa: ANN401  as for `mount`
        """Run an argparse or cyclopts program, and exit. Errors are handled as `mount` describes.

        Args:
            cli: The `ArgumentParser`, each of whose commands has `set_defaults(func=...)`, or the `cyclopts.App`.
            arguments: The words after the program's name; None for those of this process.
        """
        if any(one.__module__.partition(".")[0] == "cyclopts" for one in type(cli).__mro__):
            cyclopts_adapter.run(self, cli, arguments)
        argparse_adapter.run(self, cli, arguments)

    def requires_login(self, *scopes: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Return a decorator for commands that need a valid token with these scopes.

        Without one, the login is offered at a terminal, and the command then runs. Elsewhere, and if the user does not
        want it, the command does not start.

        Args:
            scopes: The scopes, each by itself or separated by spaces.

        Raises:
            LoginRequired: From the command: there is no login, or it lacks a scope, and no user here who logs in.
            KeyfobError: From the command: as `Session.token`.
        """
        needed = frozenset(" ".join(scopes).split())

        def decorate(command: Callable[P, T]) -> Callable[P, T]:
            def run(*args: P.args, **kwargs: P.kwargs) -> T:
                login_actions.need(self.app, needed)
                return attended(self, lambda: command(*args, **kwargs))

            async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401  as the command
                login_actions.need(self.app, needed)
                return await command(*args, **kwargs)  # type: ignore[misc]  # it is a coroutine function

            code = getattr(command, "__code__", None)
            is_async = code is not None and bool(code.co_flags & _COROUTINE)
            wrapper: Any = run_async if is_async else run
            return update_wrapper(wrapper, command)

        return decorate

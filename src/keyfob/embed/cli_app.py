"""The login of a command-line program. The program imports only this module until it needs a token."""

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
    """Return a decorator for a constructor, which takes any arguments at run time.

    Type checkers check the arguments of the constructor as those of the given class.
    """

    def same(constructor: Callable[..., None]) -> Callable[..., None]:
        return constructor

    return same


class CliApp:
    """The login of a command-line program: adds login commands, handles errors, and offers logins."""

    @_with_arguments_of(App)
    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  checkers see the arguments of App
        """Store the arguments of `keyfob.login.App`. They are validated when a login is first needed.

        Args:
            settings: The arguments of `App`: `name`, `issuer`, `client_id` and the others.
        """
        self._make: Callable[[type[App]], App] = lambda app: app(**settings)
        self._app: App | None = None

    @classmethod
    def from_toml(cls, path: Path | Traversable) -> Self:
        """Create the `CliApp` with the settings in a file, as `keyfob.login.App.from_toml` does.

        The file is read only when a login is needed.
        """
        found = cls(issuer="", client_id="")  # not used, since `_make` is replaced
        found._make = lambda app: app.from_toml(path)
        return found

    @property
    def app(self) -> App:
        """The `App`, created on first use. A test may assign another `App`.

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
        """Return a session of the stored login, as `keyfob.login.App.session` does."""
        return self.app.session()

    def mount(self, cli: Any) -> None:  # noqa: ANN401  a program of a framework that may not be installed
        """Add the commands `login`, `logout`, `whoami`, `status`, `token` and `switch` to a program.

        A Click or Typer program then prints keyfob's errors in the style of the framework, and exits with the codes in
        docs/errors.md. If a command fails for lack of a login, the program offers a login to the user at the terminal.
        After this login, the program runs the command again from its beginning.

        Args:
            cli: A `click.Group`, a `typer.Typer`, a `cyclopts.App` or argparse's result of `add_subparsers`.

        Raises:
            TypeError: `cli` belongs to no supported framework.
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
            arguments: The arguments without the program's name; None for the arguments of this process.
        """
        if any(one.__module__.partition(".")[0] == "cyclopts" for one in type(cli).__mro__):
            cyclopts_adapter.run(self, cli, arguments)
        argparse_adapter.run(self, cli, arguments)

    def requires_login(self, *scopes: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Return a decorator for commands that need a valid token with these scopes.

        If there is no token, the decorator offers a login to the user at the terminal, and then runs the command. If
        there is no terminal, or the user declines, the command does not start.

        Args:
            scopes: The scopes, as several arguments or separated by spaces.

        Raises:
            LoginRequired: Raised by the decorated command: there is no login with these scopes, and no user logs in.
            KeyfobError: Raised by the decorated command: any error of `Session.token`.
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

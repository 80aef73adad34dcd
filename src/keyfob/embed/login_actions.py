"""Run the login commands that `command_table.py` lists, for every framework, and offer a login to the user."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from keyfob.client.io.terminal.terminal import Terminal
from keyfob.client.model.display import printable
from keyfob.client.model.profile import read_flow_name
from keyfob.client.model.step_up import StepUp
from keyfob.client.model.stored_login import StoredLogin, greeting
from keyfob.client.session import report
from keyfob.client.session.freshness import login_status
from keyfob.client.session.login import is_other_client
from keyfob.embed.command_table import INTERRUPTED
from keyfob.errors import KeyfobError, LoginRequired, Misuse
from keyfob.protocol.scope import Scope
from keyfob.run import run

if TYPE_CHECKING:
    from keyfob.login import App

DONE: Final = 0
FAILED: Final = 1
_OFFERED: Final = "the login was offered"


def run_command(app: App, name: str, values: Mapping[str, object]) -> int:
    """Run a login command, and return its exit code.

    Args:
        app: The program's `App`.
        name: The command.
        values: The values of the command's options; None or False for an absent option.

    Raises:
        KeyfobError: The command failed.
    """
    profile = values.get("profile")
    chosen = app.under(profile) if isinstance(profile, str) and name not in _CHOOSING else app
    try:
        return _ACTIONS[name](chosen, values)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED


def describe(problem: KeyfobError) -> str:
    """Return an error's text for the user: what happened and, on the next line, what to do."""
    return printable(problem.message) + (f"\n{printable(problem.hint)}" if problem.hint else "")


def need(app: App, scopes: frozenset[str]) -> None:
    """Check that there is a login with a valid token and these scopes. If not, offer a login to a user at the terminal.

    Raises:
        LoginRequired: There is no such login, and no user logs in.
        KeyfobError: Any error of `Session.token`, or the login failed.
    """
    missing = Scope()
    try:
        app.session().token()
        missing = Scope(scopes) - app.session().stored().scope
        if not missing:
            return
        names, line = missing.write(), app.profile.login_command
        raise LoginRequired(
            f"the login does not allow this: {names}", hint=f'Run: {line} --scope "{names}"' if line else ""
        )
    except LoginRequired as problem:
        if not is_accepted(app, problem):
            raise
    if missing:
        app.step_up(StepUp(missing))
    else:
        log_in(app, scopes)
    lacking = Scope(scopes) - app.session().stored().scope
    if lacking:
        refused = LoginRequired(f"the server did not grant: {lacking.write()}")
        refused.add_note(_OFFERED)
        raise refused


def has_user() -> bool:
    """Return whether a user at a terminal can be asked."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def is_accepted(app: App, problem: LoginRequired) -> bool:
    """If the error means that there is no login, ask the user whether to log in now. Return whether the user agrees.

    A service account, or a user who is not at a terminal, is not asked. For one error, only the first call asks.
    """
    if problem.code != "login-required" or app.profile.is_machine or not has_user():
        return False
    if _OFFERED in getattr(problem, "__notes__", ()):
        return False
    problem.add_note(_OFFERED)
    return _agreed(app, f"{problem.message}; log in now?", default=True)


def log_in(app: App, scopes: Iterable[str] = (), flow: str | None = None) -> None:
    """Log in at the terminal, and greet the user.

    Args:
        app: The program.
        scopes: The scopes to request in addition to the program's own.
        flow: The login flow; None for the program's setting.

    Raises:
        KeyfobError: Any error of `App.log_in`.
    """
    profile = app.profile
    profile = replace(
        profile, scope=profile.scope | Scope.of(scopes), flow=profile.flow if flow is None else read_flow_name(flow)
    )
    with app.at_screen(None) as world:
        stored = run(
            app.login(world, profile).log_in(may_replace_account=lambda before, after: _may_replace(app, before, after))
        )
    _remark(app, greeting(stored, is_machine=profile.is_machine))


def _may_replace(app: App, before: StoredLogin, after: StoredLogin) -> bool:
    if is_other_client(before, after) or not has_user():
        return False
    return _agreed(app, report.account_question(before, after), default=False)


def _login(app: App, values: Mapping[str, object]) -> int:
    profile, flow, scope = values.get("profile"), values.get("flow"), values.get("scope")
    chosen = app.under(profile) if isinstance(profile, str) else app
    log_in(chosen, scope.split() if isinstance(scope, str) else (), flow if isinstance(flow, str) else None)
    if isinstance(profile, str) and app.chosen() != profile:
        app.choose(profile)
    return DONE


def _logout(app: App, _: Mapping[str, object]) -> int:
    try:
        done = app.session().log_out()
    except LoginRequired:
        _remark(app, "there was no login")
        return DONE
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        _remark(app, f"{report.NO_LONGER_STORED}; the refresh token may still be valid at the server")
        return INTERRUPTED
    for words in report.logout_words(done):
        _remark(app, words)
    return FAILED if done.revoked is False else DONE


def _whoami(app: App, values: Mapping[str, object]) -> int:
    stored = app.session().stored()
    is_machine = app.profile.is_machine
    renews = stored.refresh_token is not None or is_machine
    if values.get("json"):
        _result(json.dumps({"profile": app.chosen(), **report.user_members(stored, renews=renews)}))
        return DONE
    _result(report.display_name(stored, is_machine=is_machine))
    line = app.profile.login_line()
    for name, value in report.user_facts(stored, datetime.now(UTC), renews=renews, login_line=line):
        _result(f"  {name:<10}{value}")
    return DONE


def _status(app: App, values: Mapping[str, object]) -> int:
    now = datetime.now(UTC)
    stored, status = None, report.NOT_LOGGED_IN
    try:
        stored = app.session().stored()
        status = login_status(stored, now, is_machine=app.profile.is_machine)
    except LoginRequired:
        pass
    is_good = status.state != "login-needed"
    if values.get("json"):
        members = report.status_members(stored, status)
        _result(json.dumps({"profile": app.chosen(), "state": status.state, **members}))
        return DONE if is_good else LoginRequired.exit
    _result(f"{app.chosen()}: {report.status_words(status, now)}")
    for name, value in report.status_facts(stored, status) if stored else ():
        if value:
            _result(f"  {name:<15}{value}")
    if not is_good and app.profile.login_line():
        _remark(app, f"run: {app.profile.login_line()}")
    return DONE if is_good else LoginRequired.exit


def _token(app: App, _: Mapping[str, object]) -> int:
    token = app.session().token()
    if app.session().stored().is_bound:
        _remark(app, "this token is bound to a key or certificate of this program, so others cannot use it")
    _result(token)
    return DONE


def _switch(app: App, values: Mapping[str, object]) -> int:
    names, now, wanted = app.names(), app.chosen(), values.get("profile")
    if not isinstance(wanted, str):
        wanted = _ask_which(app, names, now)
    if wanted not in names:
        line = app.profile.login_line()
        raise Misuse(f"there is no login {printable(wanted)}", hint=f"Run: {line} --profile {wanted}" if line else "")
    app.choose(wanted)
    _remark(app, f"{wanted} is used from now on: {greeting(app.session().stored())}")
    return DONE


def _ask_which(app: App, names: list[str], now: str) -> str:
    """Return the login to switch to: the only other login, or else the login whose name the user types."""
    others = [name for name in names if name != now]
    if len(others) == 1:
        return others[0]
    if not others:
        line = app.profile.login_line()
        raise Misuse("there is no other login", hint=f"Run: {line} --profile NAME" if line else "")
    if not has_user():
        raise Misuse("there are several other logins", hint=f"Choose one: {', '.join(others)}")
    _remark(app, f"your logins are {', '.join(others)}; {now} is in use")
    return _asked(app, "which one? ") or now


def _agreed(app: App, question: str, *, default: bool) -> bool:
    typed = _asked(app, f"{question} {'[Y/n]' if default else '[y/N]'} ")
    return typed is not None and (typed.lower() in {"y", "yes"} or (default and not typed))


def _asked(app: App, question: str) -> str | None:
    """Ask the user a question. Return the typed line, or None at the end of the input."""
    program = app.profile.program
    sys.stderr.write(printable(f"{program}: {question}" if program else question))
    sys.stderr.flush()
    typed = sys.stdin.readline()
    if not typed:
        sys.stderr.write("\n")
        return None
    return typed.strip()


def _remark(app: App, text: str) -> None:
    Terminal.of_process(app.profile.program).remark(text)


def _result(text: str) -> None:
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


_ACTIONS: Final[dict[str, Callable[[App, Mapping[str, object]], int]]] = {
    "login": _login,
    "logout": _logout,
    "whoami": _whoami,
    "status": _status,
    "token": _token,
    "switch": _switch,
}
_CHOOSING: Final = frozenset({"login", "switch"})  # for which the option is not only whose login is meant

"""`keyfob logout`: revoke the login at the server, delete the stored login, and report which tokens stay valid."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE, FAILED
from keyfob.cli.flags import add_json_flag, add_profile_flag
from keyfob.cli.profiles import app_of, choose, known_names, name_of, stored_app
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.session.report import NO_LONGER_STORED, logout_words
from keyfob.errors import KeyfobError, LoginRequired, VaultUnavailable
from keyfob.login import App, LoggedOut
from keyfob.run import run as blocking


@dataclass(frozen=True, slots=True)
class Ended:
    """The result for one profile. `done` is None if there was no login."""

    name: str
    done: LoggedOut | None = None
    problem: KeyfobError | None = None

    @property
    def exit(self) -> int:
        """The exit code: that of the error, if any; FAILED if the server did not revoke the login; otherwise DONE."""
        if self.problem is not None:
            return self.problem.exit
        return FAILED if self.done is not None and self.done.revoked is False else DONE


def configure(parser: ArgumentParser) -> None:
    add_profile_flag(parser)
    parser.add_argument("--all", action="store_true", help="log out of every profile")
    add_json_flag(parser)


def run(flags: Namespace) -> int:
    if not flags.all:
        ended = _end_chosen(flags)
        if flags.json:
            if ended.problem is not None:
                raise ended.problem
            output.result_object(members(ended.done))
        else:
            print_result(ended)
        return ended.exit
    exits = [DONE]
    for name in known_names():
        ended = _end_any(name)
        exits.append(ended.exit)
        if flags.json:
            problem = None if ended.problem is None else output.error_members(ended.problem)
            output.result_object({"profile": name, **members(ended.done), "error": problem})
        else:
            print_result(ended, is_named=True)
    if len(exits) == 1 and not flags.json:
        output.remark("there was no login")
    return max(exits)


def _end_chosen(flags: Namespace) -> Ended:
    """End the chosen profile's login, even if its settings are damaged."""
    try:
        chosen = choose(flags)
    except VaultUnavailable:
        return _end_any(name_of(flags))
    return end(chosen.name, None if chosen.profile is None else app_of(chosen.profile))


def end(name: str, app: App | None) -> Ended:
    """End one profile's login.

    Raises:
        VaultUnavailable: The login cannot be deleted.
        KeyboardInterrupt: The user pressed Ctrl-C. The login is deleted all the same.
    """
    try:
        return Ended(name, None if app is None else app.session().log_out())
    except LoginRequired:
        return Ended(name)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        output.remark(f"{NO_LONGER_STORED}; the refresh token may still be valid at the server")
        raise


def _end_any(name: str) -> Ended:
    """End a login. If the login cannot be read, delete it.

    An error is not raised but is part of the result, so that the caller can end the next profile too.
    """
    try:
        return end(name, stored_app(name))
    except KeyfobError as problem:
        try:
            blocking(FileVault().delete(name))
        except KeyfobError as another:
            return Ended(name, problem=another)
        return Ended(name, problem=problem)


def members(done: LoggedOut | None) -> dict[str, object]:
    """Return the result as JSON members. `done` is None if there was no login."""
    return {
        "forgotten": done is not None,
        "revoked": done and done.revoked,
        "problem": (done and done.problem) or None,
        "access_token_revoked": done and done.access_revoked,
        "access_token_alive_until": output.instant(None if done is None else done.alive_until),
        "access_token_alive": done is not None and done.is_alive,
    }


def print_result(ended: Ended, *, is_named: bool = False) -> None:
    done, before = ended.done, f"{ended.name}: " if is_named else ""
    if ended.problem is not None:
        output.remark(f"{before}{ended.problem.message}; {NO_LONGER_STORED}")
        return
    if done is None:
        output.remark(f"{before}there was no login")
        return
    for place, words in enumerate(logout_words(done)):
        output.remark(words if place else f"{before}{words}")

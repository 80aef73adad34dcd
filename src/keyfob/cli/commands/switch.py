"""`keyfob switch`: choose which of the stored logins is used from now on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag
from keyfob.cli.profiles import choose
from keyfob.client.io.known_logins import KnownLogin, find_login, known_logins
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.errors import LoginRequired, Misuse


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "login", nargs="?", metavar="NAME", help="a profile, a user or an issuer; without it, keyfob asks"
    )
    add_json_flag(parser)


def run(flags: Namespace) -> int:
    logins = known_logins()
    if not logins:
        raise LoginRequired("there is no login yet", hint="Run: keyfob login")
    chosen = _ask(logins) if flags.login is None and not flags.json else find_login(logins, flags.login or "")
    ProfileFiles().choose(chosen.name)
    now = choose(Namespace())
    if flags.json:
        output.result_object({"profile": chosen.name, "in_use": now.name, "issuer": chosen.issuer or None,
                              "name": chosen.who or None, "state": chosen.state})  # fmt: skip
    else:
        output.remark(f"{chosen.name} is used from now on: {_words(chosen)}")
    if now.name != chosen.name:
        output.remark(f"but in this folder or shell, {now.settings['profile'].where} selects {now.name}")
    return DONE


def _ask(logins: Sequence[KnownLogin]) -> KnownLogin:
    """Show the logins, and return the login that the user chooses by name or number.

    Raises:
        Misuse: There is no terminal, or the answer matches no login.
    """
    if not output.has_user():
        names = ", ".join(login.name for login in logins)
        raise Misuse(
            "there is no terminal to ask which login to use",
            hint=f"Run: keyfob switch NAME, where NAME is one of: {names}",
        )
    rows = [("*" if login.is_in_use else " ", str(number), login.name, login.who, login.issuer, login.state)
            for number, login in enumerate(logins, 1)]  # fmt: skip
    for line in output.columns(rows):
        output.detail(line)
    in_use = next((login.name for login in logins if login.is_in_use), "")
    said = output.asked("which login? enter its number or name", in_use)
    if said.isascii() and said.isdigit() and 0 < int(said) <= len(logins):
        return logins[int(said) - 1]
    return find_login(logins, said)


def _words(login: KnownLogin) -> str:
    return " at ".join(filter(None, [login.who or "not logged in", login.issuer]))

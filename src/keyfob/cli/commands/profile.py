"""`keyfob profile`: list, show, select and remove profiles."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import cast

from keyfob.cli import output
from keyfob.cli.commands.logout import end, members, print_result
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag
from keyfob.cli.parser import sentence
from keyfob.cli.profiles import choose, known_names, stored_app
from keyfob.client.io.known_logins import known_logins
from keyfob.client.io.state_files import PendingFiles
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.profile import DEFAULT, check_name
from keyfob.errors import LoginRequired, Misuse
from keyfob.run import run as blocking


def configure(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, does, run_verb in (
        ("list", "list all profiles with the state of their logins", _list),
        ("show", "show all settings of a profile, without secrets", _show),
        ("use", "use this profile by default", _use),
        ("remove", "end the login, and delete it and its settings", _remove),
    ):
        verb = verbs.add_parser(name, help=does, description=sentence(does), allow_abbrev=False)
        if name != "list":
            verb.add_argument("name", metavar="NAME", help="the profile")
        add_json_flag(verb)
        verb.set_defaults(run_verb=run_verb)


def run(flags: Namespace) -> int:
    return cast(int, flags.run_verb(flags))


def _list(flags: Namespace) -> int:
    in_use = choose(Namespace()).name
    rows: list[tuple[str, ...]] = []
    for login in known_logins():
        is_in_use = login.name == in_use
        if flags.json:
            output.result_object({"profile": login.name, "in_use": is_in_use, "issuer": login.issuer or None,
                                  "name": login.who or None, "state": login.state})  # fmt: skip
        rows.append(("*" if is_in_use else " ", login.name, login.state, login.issuer, login.who))
    if not flags.json:
        for line in output.columns(rows) if rows else ["there is no profile yet; keyfob login creates one"]:
            output.result(line)
    return DONE


def _show(flags: Namespace) -> int:
    profile = ProfileFiles().load(_known(flags.name))
    if profile is None:
        raise LoginRequired("this profile has a login but no settings", hint="Run: keyfob status --all")
    stored = cast("dict[str, object]", json.loads(profile.write()))
    if flags.json:
        output.result_object({"profile": flags.name, **stored})
        return DONE
    for line in output.columns([(key, value if isinstance(value, str) else json.dumps(value))
                                for key, value in stored.items()]):  # fmt: skip
        output.result(line)
    return DONE


def _use(flags: Namespace) -> int:
    name = flags.name
    if name != DEFAULT:
        _known(name)
    ProfileFiles().choose(name)
    now = choose(Namespace())
    setting = now.settings["profile"]
    if flags.json:
        output.result_object({"profile": name, "in_use": now.name})
    output.remark(f"commands without --profile now use {name}")
    if now.name != name:
        output.remark(f"but in this folder or shell, {setting.where} selects {now.name}")
    return DONE


def _remove(flags: Namespace) -> int:
    """Revoke the login at the server. Then delete the login and the settings, even if the revocation failed."""
    name = _known(flags.name)
    files, vault = ProfileFiles(), FileVault()
    try:
        ended = end(name, stored_app(name))
    finally:
        with vault.lock(name):
            blocking(vault.delete(name))
        PendingFiles().save(name, None)
        files.remove(name)
    if flags.json:
        output.result_object({"profile": name, **members(ended.done)})
    else:
        print_result(ended)
        output.remark(f"the profile {name} was removed")
    return ended.exit


def _known(name: str) -> str:
    """Return the name if a profile of that name exists.

    Raises:
        Misuse: There is no profile of that name.
    """
    check_name(name)
    if name not in known_names():
        raise Misuse("there is no such profile", hint="Run: keyfob profile list")
    return name

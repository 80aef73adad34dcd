"""`keyfob tenant users`: who may log in."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.profiles import add_json_flag
from keyfob.cli.tenant import folder
from keyfob.errors import Misuse
from keyfob.protocol.secret import Secret
from keyfob.server.records import DEFAULT_CONNECTION
from keyfob.server.settings.schema import stop_at_once
from keyfob.server.settings.users import PersonWanted, check_against, check_password, check_person

if TYPE_CHECKING:
    from keyfob.serve import Registry
    from keyfob.server.records import User


def configure_list(parser: ArgumentParser) -> None:
    """Say which flags there are."""
    folder.add_data_flag(parser)
    add_json_flag(parser)


def configure_one(parser: ArgumentParser) -> None:
    """Say which words there are."""
    parser.add_argument("email", metavar="EMAIL")
    parser.add_argument("--connection", metavar="NAME", default=DEFAULT_CONNECTION, help="default: the usual one")
    configure_list(parser)


def configure_remove(parser: ArgumentParser) -> None:
    """Say which words there are."""
    configure_one(parser)
    folder.add_yes_flag(parser)


def configure_password(parser: ArgumentParser) -> None:
    """Say which words there are."""
    configure_one(parser)
    parser.add_argument(
        "--generate", action="store_true", help="make a password and show it once; else it is asked for"
    )
    parser.epilog = (
        "A password is read from the terminal, or from the first line of stdin; never from the command line."
    )


def configure_add(parser: ArgumentParser) -> None:
    """Say which words there are."""
    configure_password(parser)
    parser.add_argument("--name", default="", help="what programs are told (default: the e-mail)")
    parser.add_argument("--role", action="append", metavar="NAME", help="may be said again")


def list_all(flags: Namespace) -> int:
    """Name everybody."""
    with folder.registry_of(flags) as registry:
        users = registry.users()
    if flags.json:
        for user in users:
            output.result_object(_told(user))
        return DONE
    rows = [[one.email, one.name, " ".join(one.roles), "blocked" if one.is_blocked else ""] for one in users]
    for line in output.columns(rows):
        output.result(line)
    return DONE


def show(flags: Namespace) -> int:
    """All about one."""
    from keyfob.server.settings.toml import write_toml

    with folder.registry_of(flags) as registry:
        told = _told(registry.user(flags.email, flags.connection))
    if flags.json:
        output.result_object(told)
        return DONE
    for line in write_toml({"users": [told]}).splitlines():
        output.result(line)
    return DONE


def add(flags: Namespace) -> int:
    """One more.

    Raises:
        Misuse: The e-mail is taken or is none, a role is not known, or the password is no protection.
    """
    wanted = PersonWanted(flags.email, flags.name, flags.connection, roles=tuple(flags.role or ()))
    check_person(wanted)
    with folder.registry_of(flags) as registry:
        check_against([((), wanted)], registry.config(), stop_at_once)
        if any((user.email.lower(), user.connection) == wanted.key for user in registry.users()):
            raise Misuse("somebody has that e-mail already", hint="`keyfob tenant users password` sets a new password.")
        password = _password(flags)
        registry.carry_out(registry.plan_person(replace(wanted, password=password)))
        user = registry.user(flags.email, flags.connection)
    return _tell_password(flags, user, password)


def password(flags: Namespace) -> int:
    """A new password for somebody, who is logged out everywhere.

    Raises:
        Misuse: There is nobody with that e-mail, or the password is no protection.
    """
    with folder.registry_of(flags) as registry:
        user = registry.user(flags.email, flags.connection)
        fresh = _password(flags)
        registry.carry_out(registry.plan_person(replace(_as_is(user), password=fresh)))
    output.remark(f"{user.email} has a new password, and is logged out everywhere")
    return _tell_password(flags, user, fresh)


def block(flags: Namespace) -> int:
    """Nobody with that e-mail gets in any more, and who is in is logged out.

    Raises:
        Misuse: There is nobody with that e-mail.
    """
    return _set_blocked(flags, is_blocked=True)


def unblock(flags: Namespace) -> int:
    """They may log in again.

    Raises:
        Misuse: There is nobody with that e-mail.
    """
    return _set_blocked(flags, is_blocked=False)


def remove(flags: Namespace) -> int:
    """One less.

    Raises:
        Misuse: There is nobody with that e-mail, or nobody said yes.
    """
    with folder.registry_of(flags) as registry:
        user = registry.user(flags.email, flags.connection)
        folder.ask(f"Remove {user.email}, and all that is theirs?", yes=flags.yes)
        registry.drop_user(user)
    return _done(flags, user, "is removed")


def _set_blocked(flags: Namespace, *, is_blocked: bool) -> int:
    with folder.registry_of(flags) as registry:
        wanted = replace(_as_is(registry.user(flags.email, flags.connection)), is_blocked=is_blocked)
        registry.carry_out(registry.plan_person(wanted))
        user = _again(registry, flags)
    return _done(flags, user, "is blocked, and logged out everywhere" if is_blocked else "may log in again")


def _again(registry: Registry, flags: Namespace) -> User:
    return registry.user(flags.email, flags.connection)


def _as_is(user: User) -> PersonWanted:
    return PersonWanted(
        email=user.email,
        name=user.name,
        connection=user.connection,
        roles=user.roles,
        permissions=user.permissions,
        email_verified=user.email_verified,
        is_blocked=user.is_blocked,
        picture=user.picture,
    )


def _password(flags: Namespace) -> Secret:
    """A password: made, asked for, or from stdin.

    Raises:
        Misuse: None came, the second time it was another, or it is no protection.
    """
    from keyfob.serve import new_password

    if flags.generate:
        return new_password()
    found = _asked() if sys.stdin.isatty() else Secret(sys.stdin.readline().rstrip("\r\n"))
    try:
        check_password(found)
    except Misuse as wrong:
        raise Misuse(f"the password {wrong.message}", hint="Choose another, or say --generate.") from None
    return found


def _asked() -> Secret:
    """From the terminal, twice.

    Raises:
        Misuse: The second time it was another.
    """
    first = Secret(getpass.getpass("Password: "))
    if first != Secret(getpass.getpass("The same again: ")):
        raise Misuse("the second time it was another password", hint="Try again.")
    return first


def _tell_password(flags: Namespace, user: User, secret: Secret) -> int:
    """Say whose it is; a password that was made here is shown this once."""
    told: dict[str, object] = {"email": user.email, "user_id": user.user_id}
    if flags.generate:
        told["password"] = secret.reveal()
    if flags.json:
        output.result_object(told)
        return DONE
    for word, value in told.items():
        output.result(f"{word:<8}  {value}{'   (shown this once)' if word == 'password' else ''}")
    return DONE


def _done(flags: Namespace, user: User, what: str) -> int:
    if flags.json:
        output.result_object(_told(user))
    output.remark(f"{user.email} {what}")
    return DONE


def _told(user: User) -> dict[str, object]:
    """For eyes and programs; nothing of the password."""
    from keyfob.server.settings.users import USER

    shown = replace(_as_is(user), user_id=user.user_id)
    return {**USER.write(shown), "updated_at": output.instant(user.updated_at)}

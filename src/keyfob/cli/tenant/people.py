"""`keyfob tenant users`: list, add, change and remove users."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag
from keyfob.cli.tenant import folder
from keyfob.errors import Misuse
from keyfob.protocol.secret import Secret
from keyfob.server.records import DEFAULT_CONNECTION, User
from keyfob.server.settings.schema import stop_at_once
from keyfob.server.settings.toml import write_toml
from keyfob.server.settings.users import USER, PersonWanted, check_against, check_person


def configure_list(parser: ArgumentParser) -> None:
    folder.add_data_flag(parser)
    add_json_flag(parser)


def configure_one(parser: ArgumentParser) -> None:
    parser.add_argument("email", metavar="EMAIL")
    parser.add_argument(
        "--connection",
        metavar="NAME",
        default=DEFAULT_CONNECTION,
        help="the user's connection (default: Username-Password-Authentication)",
    )
    configure_list(parser)


def configure_remove(parser: ArgumentParser) -> None:
    configure_one(parser)
    folder.add_yes_flag(parser)


def configure_password(parser: ArgumentParser) -> None:
    configure_one(parser)
    parser.add_argument(
        "--generate", action="store_true", help="generate a password and show it once; otherwise keyfob asks for one"
    )
    parser.epilog = "A password is read from the terminal, or from the first line of stdin; it is never an argument."


def configure_add(parser: ArgumentParser) -> None:
    configure_password(parser)
    parser.add_argument("--name", default="", help="the name that clients receive (default: the e-mail address)")
    parser.add_argument("--role", action="append", metavar="NAME", help="a role of the user; repeatable")


def list_all(flags: Namespace) -> int:
    with folder.registry_of(flags) as registry:
        users = registry.users()
    if flags.json:
        for user in users:
            output.result_object(_members(user))
        return DONE
    rows = [[one.email, one.name, " ".join(one.roles), "blocked" if one.is_blocked else ""] for one in users]
    for line in output.columns(rows):
        output.result(line)
    return DONE


def show(flags: Namespace) -> int:
    with folder.registry_of(flags) as registry:
        members = _members(registry.user(flags.email, flags.connection))
    if flags.json:
        output.result_object(members)
        return DONE
    for line in write_toml({"users": [members]}).splitlines():
        output.result(line)
    return DONE


def add(flags: Namespace) -> int:
    wanted = PersonWanted(flags.email, flags.name, flags.connection, roles=tuple(flags.role or ()))
    check_person(wanted)
    with folder.registry_of(flags) as registry:
        check_against([((), wanted)], registry.config(), stop_at_once)
        if any((user.email.lower(), user.connection) == wanted.key for user in registry.users()):
            raise Misuse(
                "another user has this e-mail address", hint="`keyfob tenant users password` sets a new password."
            )
        password = _password(flags)
        registry.carry_out(registry.plan_person(replace(wanted, password=password)))
        user = registry.user(flags.email, flags.connection)
    return _print_password(flags, user, password)


def password(flags: Namespace) -> int:
    with folder.registry_of(flags) as registry:
        user = registry.user(flags.email, flags.connection)
        fresh = _password(flags)
        registry.carry_out(registry.plan_person(replace(_wanted_fields(user), password=fresh)))
    output.remark(f"{user.email} has a new password, and all logins of this user were ended")
    return _print_password(flags, user, fresh)


def block(flags: Namespace) -> int:
    return _set_blocked(flags, is_blocked=True)


def unblock(flags: Namespace) -> int:
    return _set_blocked(flags, is_blocked=False)


def remove(flags: Namespace) -> int:
    with folder.registry_of(flags) as registry:
        user = registry.user(flags.email, flags.connection)
        folder.ask(f"Remove {user.email} and all data of this user?", yes=flags.yes)
        registry.drop_user(user)
    return _report(flags, user, "is removed")


def _set_blocked(flags: Namespace, *, is_blocked: bool) -> int:
    with folder.registry_of(flags) as registry:
        wanted = replace(_wanted_fields(registry.user(flags.email, flags.connection)), is_blocked=is_blocked)
        registry.carry_out(registry.plan_person(wanted))
        user = registry.user(flags.email, flags.connection)
    return _report(
        flags, user, "is blocked, and all logins of this user were ended" if is_blocked else "can log in again"
    )


def _wanted_fields(user: User) -> PersonWanted:
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
    """Return a generated password, or one from the terminal or stdin.

    Raises:
        Misuse: The two passwords that were typed at the terminal differ.
    """
    from keyfob.server.io.registry import new_password  # noqa: PLC0415  needs the extra serve; --help and completion do not

    if flags.generate:
        return new_password()
    return _read_twice() if sys.stdin.isatty() else Secret(sys.stdin.readline().rstrip("\r\n"))


def _read_twice() -> Secret:
    first = Secret(getpass.getpass("Password: "))
    if first != Secret(getpass.getpass("Repeat it: ")):
        raise Misuse("the two passwords differ", hint="Try again.")
    return first


def _print_password(flags: Namespace, user: User, secret: Secret) -> int:
    """Print the user. If the password was generated, print it too, since it is never shown again."""
    members: dict[str, object] = {"email": user.email, "user_id": user.user_id}
    if flags.generate:
        members["password"] = secret.reveal()
    if flags.json:
        output.result_object(members)
        return DONE
    for word, value in members.items():
        output.result(f"{word:<8}  {value}{'   (shown this once)' if word == 'password' else ''}")
    return DONE


def _report(flags: Namespace, user: User, what: str) -> int:
    if flags.json:
        output.result_object(_members(user))
    output.remark(f"{user.email} {what}")
    return DONE


def _members(user: User) -> dict[str, object]:
    """Return the user's fields without the password."""
    user_fields = replace(_wanted_fields(user), user_id=user.user_id)
    return {**USER.write(user_fields), "updated_at": output.instant(user.updated_at)}

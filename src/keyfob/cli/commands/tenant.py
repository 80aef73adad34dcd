"""`keyfob tenant`: change the clients, APIs, grants and users of a tenant, from a file or one by one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from keyfob.cli.parser import sentence
from keyfob.cli.tenant import backup, file, keys, log, logins, people, programs


class Verb(NamedTuple):
    name: str
    does: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


FILE: Final = (
    Verb("init", "write a tenant.toml to start with", file.configure_init, file.init),
    Verb("schema", "print the JSON Schema of tenant.toml, for editors", file.configure_schema, file.schema),
    Verb("check", "check a tenant.toml for mistakes", file.configure_check, file.check),
    Verb("apply", "show the changes of a tenant.toml, and apply them", file.configure_apply, file.apply),
    Verb("export", "print the current settings as a tenant.toml", file.configure_export, file.export),
    Verb("import", "convert the export of an Auth0 tenant to a tenant.toml", file.configure_import, file.import_auth0),
)
OPERATION: Final = (
    Verb("log", "show the audit log: logins, refusals and changes", log.configure, log.log),
    Verb("backup", "copy all data into one file while the tenant runs", backup.configure_backup, backup.backup),
    Verb("restore", "restore a backup into an empty folder", backup.configure_restore, backup.restore),
)
PEOPLE: Final = (
    Verb("list", "name everybody", people.configure_list, people.list_all),
    Verb("show", "show one in full", people.configure_one, people.show),
    Verb("add", "one more", people.configure_add, people.add),
    Verb("remove", "remove one and its data", people.configure_remove, people.remove),
    Verb("block", "block a user, and end all their logins", people.configure_one, people.block),
    Verb("unblock", "unblock a user", people.configure_one, people.unblock),
    Verb("password", "set a new password, and end all logins of the user", people.configure_password, people.password),
)

KEYS: Final = (
    Verb("list", "list the keys with their stages and times", keys.configure_list, keys.list_all),
    Verb("rotate", "announce the next keys, which sign a day later", keys.configure_rotate, keys.rotate),
    Verb("revoke", "revoke a stolen key: remove it, and refuse its tokens", keys.configure_revoke, keys.revoke),
    Verb(
        "rehearse", "show the steps and times of a rotation, and change nothing", keys.configure_rehearse, keys.rehearse
    ),
    Verb(
        "rewrap", "change the master key, and encrypt everything with the new one", keys.configure_rewrap, keys.rewrap
    ),
)
LOGINS: Final = (
    Verb("list", "list the logins, with user, place and time", logins.configure_list, logins.list_all),
    Verb("end", "end a login, or all logins of a user or an application", logins.configure_end, logins.end),
)


def configure(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for verb in (*FILE, *OPERATION):
        _add(verbs.add_parser(verb.name, help=verb.does, allow_abbrev=False), verb)
    family = verbs.add_parser("users", help="the users", allow_abbrev=False)
    _add_family(family, PEOPLE)
    _add_family(verbs.add_parser("logins", help="the logins", allow_abbrev=False), LOGINS)
    _add_family(verbs.add_parser("keys", help="the signing keys and the master key", allow_abbrev=False), KEYS)
    for name, kind in programs.FAMILIES.items():
        family = verbs.add_parser(name, help=f"list, show, add, remove: {kind.array}", allow_abbrev=False)
        _add_family(family, _verbs_of(kind))


def run(flags: Namespace) -> int:
    run_verb: Callable[[Namespace], int] = flags.run_verb
    return run_verb(flags)


def _verbs_of(kind: programs.RegistrationKind) -> tuple[Verb, ...]:
    return (
        Verb("list", "name each", programs.configure_list, partial(programs.list_all, family=kind)),
        Verb(
            "show",
            "show one in full",
            partial(programs.configure_show, family=kind),
            partial(programs.show, family=kind),
        ),
        Verb("add", "one more", partial(programs.configure_add, family=kind), partial(programs.add, family=kind)),
        Verb(
            "remove", "one less", partial(programs.configure_remove, family=kind), partial(programs.remove, family=kind)
        ),
    )


def _add(parser: ArgumentParser, verb: Verb) -> None:
    parser.description = sentence(verb.does)
    verb.configure(parser)
    parser.set_defaults(run_verb=verb.run)


def _add_family(parser: ArgumentParser, verbs: tuple[Verb, ...]) -> None:
    """Add the verbs of a group such as `users`. The group's help shows the flags of each verb."""
    below = parser.add_subparsers(metavar="VERB", required=True)
    usages: list[str] = []
    for verb in verbs:
        child = below.add_parser(verb.name, help=verb.does, allow_abbrev=False)
        _add(child, verb)
        usages.append(child.format_usage().removeprefix("usage: "))
    parser.epilog = "".join(usages)

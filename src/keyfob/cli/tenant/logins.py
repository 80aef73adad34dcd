"""`keyfob tenant logins`: list the users who are logged in, with place and time, and end logins."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag
from keyfob.cli.tenant import folder
from keyfob.errors import Misuse
from keyfob.server.records import DEFAULT_CONNECTION, User

if TYPE_CHECKING:
    from keyfob.serve import Registry
    from keyfob.server.io.login_registry import LoginShown

_HEADINGS = ("id", "kind", "user", "application", "since", "last used", "until", "network", "device")


def configure_list(parser: ArgumentParser) -> None:
    _add_choice(parser)
    parser.add_argument("--limit", type=int, default=1000, metavar="N", help="show the newest N (default: 1000)")
    folder.add_data_flag(parser)
    add_json_flag(parser)


def configure_end(parser: ArgumentParser) -> None:
    parser.add_argument("login", nargs="?", metavar="ID", help="the ID of one login; or use --user, --app, or --all")
    _add_choice(parser)
    parser.add_argument("--all", action="store_true", help="everybody's")
    folder.add_yes_flag(parser)
    folder.add_data_flag(parser)
    add_json_flag(parser)
    parser.epilog = (
        "Refresh tokens are invalid at once, and access tokens at /userinfo and introspection. "
        "An API that verifies tokens offline accepts an access token until it expires, unless "
        "its guard has Introspection(every=True)."
    )


def _add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("--user", metavar="EMAIL", help="logins of this user")
    parser.add_argument(
        "--connection",
        metavar="NAME",
        default=DEFAULT_CONNECTION,
        help="the user's connection (default: Username-Password-Authentication)",
    )
    parser.add_argument("--app", metavar="CLIENT_ID", help="logins at this application")


def list_all(flags: Namespace) -> int:
    with folder.registry_of(flags) as registry:
        found = registry.logins.all(_user(registry, flags), flags.app, max(flags.limit, 1))
    if flags.json:
        for one in found:
            output.result_object(_members(one))
        return DONE
    if not found:
        output.remark("there are no logins")
        return DONE
    for line in output.columns([_HEADINGS, *map(_cells, found)]):
        output.result(line)
    return DONE


def end(flags: Namespace) -> int:
    chosen = sum((flags.login is not None, flags.all, flags.user is not None or flags.app is not None))
    if chosen != 1:
        hint = "Use an ID from keyfob tenant logins list, --user EMAIL, --app CLIENT_ID, or --all."
        raise Misuse("select the logins to end, in one way", hint=hint)
    with folder.registry_of(flags) as registry:
        if flags.login is not None:
            ended = registry.logins.end(flags.login)
            count, what = 1, f"login {ended.login_id}"
            registry.note("sapi", description="a login was ended", user_id=ended.user_id, client_id=ended.client_id)
        else:
            user = _user(registry, flags)
            what = " ".join(filter(None, (_of(user), f"in {flags.app}" if flags.app else ""))) or "of everybody"
            folder.ask(f"End all logins {what}?", yes=flags.yes)
            count = registry.logins.end_all(user, flags.app)
            own = {"user_id": user.user_id} if user else {}
            own |= {"client_id": flags.app} if flags.app else {}
            registry.note("sapi", description=f"{count} logins were ended", **own)
            what = f"all logins {what}"
    if flags.json:
        output.result_object({"ended": count})
    else:
        output.remark(f"{what}: {count} ended")
    return DONE


def _of(user: User | None) -> str:
    return "" if user is None else f"of {user.email}"


def _user(registry: Registry, flags: Namespace) -> User | None:
    if flags.app is not None and registry.config().application(flags.app) is None:
        output.remark(f"there is no application {flags.app}")
    return None if flags.user is None else registry.user(flags.user, flags.connection)


def _cells(one: LoginShown) -> tuple[str, ...]:
    times = (output.instant(at) or "" for at in (one.created_at, one.used_at, one.expires_at))
    return (one.login_id, one.kind, one.user.email if one.user else one.user_id, one.client_id or "-", *times,
            one.network or "-", one.device or "-")  # fmt: skip


def _members(one: LoginShown) -> dict[str, object]:
    return {
        "id": one.login_id,
        "kind": one.kind,
        "user_id": one.user_id,
        "email": one.user.email if one.user else None,
        "client_id": one.client_id or None,
        "created_at": output.instant(one.created_at),
        "used_at": output.instant(one.used_at),
        "expires_at": output.instant(one.expires_at),
        "network": one.network,
        "device": one.device or None,
    }

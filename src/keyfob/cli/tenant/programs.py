"""`keyfob tenant apps`, `apis` and `grants`: what is registered, one by one, without a file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.profiles import add_json_flag
from keyfob.cli.tenant import folder
from keyfob.errors import Misuse
from keyfob.server.settings.field_types import suggestion
from keyfob.server.settings.schema import ARRAYS, SECRETS, Table

if TYPE_CHECKING:
    from keyfob.protocol.secret import Secret
    from keyfob.serve import Registry


class Family(NamedTuple):
    """Things of one kind.

    Attributes:
        array: Their name in tenant.toml.
        title: One of them.
        identity: The words that tell one from the others, and what a person types.
        columns: What a list shows.
    """

    array: str
    title: str
    identity: tuple[str, ...]
    columns: tuple[str, ...]


FAMILIES: Final = {
    "apps": Family("applications", "application", ("client_id",), ("client_id", "kind", "name")),
    "apis": Family("apis", "API", ("audience",), ("audience", "name")),
    "grants": Family("grants", "grant", ("client_id", "audience"), ("client_id", "audience", "scopes")),
}
# What a program of each kind is usually for.
_USUAL_GRANTS: Final[dict[str, list[str]]] = {
    "native": ["device_code", "refresh_token"],
    "spa": ["authorization_code", "refresh_token"],
    "web": ["authorization_code", "refresh_token"],
    "machine": ["client_credentials"],
}
_USUAL_AUTH: Final[dict[str, list[str]]] = {
    "native": ["none"],
    "spa": ["none"],
    "web": ["client_secret_basic", "client_secret_post"],
    "machine": ["client_secret_basic", "client_secret_post"],
}


def configure_list(parser: ArgumentParser) -> None:
    """Say which flags there are."""
    folder.add_data_flag(parser)
    add_json_flag(parser)


def configure_show(parser: ArgumentParser, family: Family) -> None:
    """Say which words there are."""
    for word in family.identity:
        parser.add_argument(word, metavar=word.upper())
    configure_list(parser)


def configure_remove(parser: ArgumentParser, family: Family) -> None:
    """Say which words there are."""
    for word in family.identity:
        parser.add_argument(word, metavar=word.upper())
    folder.add_data_flag(parser)
    folder.add_yes_flag(parser)


def configure_add(parser: ArgumentParser, family: Family) -> None:
    """Say which words there are."""
    if family.array == "applications":
        parser.add_argument("name", metavar="NAME", help="what people are shown")
        parser.add_argument("--client-id", metavar="ID", help="32 letters are made if nothing is said")
        parser.add_argument("--kind", choices=tuple(_USUAL_GRANTS), default="native", help="default: native")
        parser.add_argument("--grant", action="append", metavar="GRANT", help="may be said again; by kind if not said")
        parser.add_argument("--auth", action="append", metavar="METHOD", help="may be said again; by kind if not said")
        parser.add_argument("--callback", action="append", metavar="URL", help="may be said again")
        parser.add_argument("--certificate", type=Path, metavar="FILE", help="in PEM; proves it by itself (RFC 8705)")
        parser.add_argument("--certificate-name", metavar="NAME", help="of any certificate by an authority that proves "
                            "it: dns:robot.example, uri:, ip:, email: or subject:CN=...")  # fmt: skip
    elif family.array == "apis":
        parser.add_argument("audience", metavar="AUDIENCE", help="its identifier, compared letter for letter")
        parser.add_argument("--name", help="what people are shown (default: the audience)")
        parser.add_argument("--scope", action="append", metavar="NAME[=WORDS]", help="may be said again")
    else:
        parser.add_argument("client_id", metavar="CLIENT_ID")
        parser.add_argument("audience", metavar="AUDIENCE")
        parser.add_argument("--scope", action="append", metavar="NAME", help="may be said again")
    configure_list(parser)


def list_all(flags: Namespace, family: Family) -> int:
    """Name each."""
    with folder.registry_of(flags) as registry:
        found = _all(registry, family)
    if flags.json:
        for one in found:
            output.result_object(_told(one))
        return DONE
    rows = [[_cell(one.get(column, _fallback(family, column))) for column in family.columns] for one in found]
    for line in output.columns(rows):
        output.result(line)
    return DONE


def show(flags: Namespace, family: Family) -> int:
    """All about one."""
    from keyfob.server.settings.toml import write_toml

    with folder.registry_of(flags) as registry:
        found = _told(_one(_all(registry, family), flags, family))
    if flags.json:
        output.result_object(found)
        return DONE
    for line in write_toml({family.array: [found]}).splitlines():
        output.result(line)
    return DONE


def add(flags: Namespace, family: Family) -> int:
    """One more.

    Raises:
        Misuse: There is one like it, or it cannot be.
    """
    with folder.registry_of(flags) as registry:
        table, secret = _described(flags, family)
        tables = registry.tables()
        own = _all(registry, family)
        if any(_identity(one, family) == _identity(table, family) for one in own):
            raise Misuse(f"that {family.title} is there already", hint=f"Look at it with: {_show_hint(family)}")
        plan = registry.plan_tables({**tables, family.array: [*own, table]}, secret, str(table.get("client_id", "")))
        registry.carry_out(plan)
    told = {word: table[word] for word in family.identity}
    if secret is not None:
        told["client_secret"] = secret.reveal()
    if flags.json:
        output.result_object(told)
        return DONE
    for word, value in told.items():
        once = "   (shown this once)" if word == "client_secret" else ""
        output.result(f"{word:<13}  {value}{once}")
    return DONE


def remove(flags: Namespace, family: Family) -> int:
    """One less; the grants that name it go with it.

    Raises:
        Misuse: There is none, something else still needs it, or nobody said yes.
    """
    with folder.registry_of(flags) as registry:
        tables = registry.tables()
        gone = _one(_all(registry, family), flags, family)
        kept = {**tables, family.array: [one for one in _all(registry, family) if one != gone]}
        if family.array != "grants":
            [word] = family.identity
            grants = cast("list[Table]", tables.get("grants", []))
            kept["grants"] = [one for one in grants if one[word] != gone[word]]
        plan = registry.plan_tables(kept)
        folder.show(plan)
        folder.carry_out(registry, plan, yes=flags.yes)
    return DONE


def _all(registry: Registry, family: Family) -> list[Table]:
    return cast("list[Table]", registry.tables().get(family.array, []))


def _one(found: list[Table], flags: Namespace, family: Family) -> Table:
    """The one that is meant.

    Raises:
        Misuse: There is none.
    """
    wanted = _identity(vars(flags), family)
    for one in found:
        if _identity(one, family) == wanted:
            return one
    known = [_identity(one, family)[0] for one in found]
    raise Misuse(f"there is no such {family.title}", hint=suggestion(wanted[0], known) if known else "There is none.")


def _identity(table: Mapping[str, Any], family: Family) -> tuple[str, ...]:
    return tuple(table[word] for word in family.identity)


def _told(table: Table) -> Table:
    """For eyes and programs: how many secrets there are, and nothing else of them."""
    secrets = cast("list[object]", table.get(SECRETS, []))
    return {**table, SECRETS: len(secrets)} if secrets else table


def _described(flags: Namespace, family: Family) -> tuple[Table, Secret | None]:
    """The table that the flags describe, and a fresh secret where it needs one.

    Raises:
        Misuse: A flag cannot be used.
    """
    if family.array == "apis":
        asked: list[str] = flags.scope or []
        pairs = [scope.partition("=") for scope in asked]
        scopes = {name: words or name for name, _, words in pairs}
        return {"audience": flags.audience, "name": flags.name or flags.audience, "scopes": scopes}, None
    if family.array == "grants":
        return {"client_id": flags.client_id, "audience": flags.audience, "scopes": flags.scope or []}, None
    return _application(flags)


def _application(flags: Namespace) -> tuple[Table, Secret | None]:
    from keyfob.serve import new_client_id, new_client_secret

    callbacks: list[str] = flags.callback or []
    grants = list(_USUAL_GRANTS[flags.kind])
    if flags.kind == "native" and callbacks:
        grants.append("authorization_code")
    shown, methods = _certificates(flags)
    auth: list[str] = flags.auth or methods or _USUAL_AUTH[flags.kind]
    table: Table = {
        "client_id": flags.client_id or new_client_id(),
        "name": flags.name,
        "kind": flags.kind,
        "grants": flags.grant or grants,
        "auth": auth,
        "callbacks": callbacks,
        **shown,
    }
    has_secret = any(method.startswith("client_secret") for method in auth)
    return table, new_client_secret() if has_secret else None


def _certificates(flags: Namespace) -> tuple[Table, list[str]]:
    """What is said of certificates, and the methods that go with it. Of a file with a key in it the key is left out.

    Raises:
        Misuse: The file holds no certificate.
    """
    shown: Table = {}
    methods: list[str] = []
    if flags.certificate_name:
        shown["certificate_name"] = flags.certificate_name
        methods.append("tls_client_auth")
    if flags.certificate is not None:
        from keyfob.serve import read_own_certificate

        shown["certificates"] = [read_own_certificate(flags.certificate)]
        methods.append("self_signed_tls_client_auth")
    return shown, methods


def _fallback(family: Family, column: str) -> object:
    """What a thing is that says nothing about it."""
    default = ARRAYS[family.array][1].keys[column].default
    return default if isinstance(default, str) else ""


def _cell(value: object) -> str:
    return " ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)


def _show_hint(family: Family) -> str:
    name = next(name for name, one in FAMILIES.items() if one is family)
    return f"keyfob tenant {name} show {' '.join(word.upper() for word in family.identity)}"

"""`keyfob tenant apps`, `apis` and `grants`: list, show, add and remove registrations without a tenant.toml."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag
from keyfob.cli.tenant import folder
from keyfob.errors import Malformed, Misuse
from keyfob.protocol.secret import Secret
from keyfob.server.settings.field_types import suggestion
from keyfob.server.settings.schema import ARRAYS, SECRETS, Table
from keyfob.server.settings.toml import write_toml

if TYPE_CHECKING:
    from keyfob.serve import Registry


class RegistrationKind(NamedTuple):
    """A kind of registration: clients, APIs or grants.

    Attributes:
        array: The name of the array in tenant.toml.
        title: The name in messages.
        identity: The fields that identify a registration. They are the arguments of the commands.
        columns: The fields that `list` prints.
    """

    array: str
    title: str
    identity: tuple[str, ...]
    columns: tuple[str, ...]


FAMILIES: Final = {
    "apps": RegistrationKind("applications", "application", ("client_id",), ("client_id", "kind", "name")),
    "apis": RegistrationKind("apis", "API", ("audience",), ("audience", "name")),
    "grants": RegistrationKind("grants", "grant", ("client_id", "audience"), ("client_id", "audience", "scopes")),
}
# The default grant types of each kind of client, and below the default authentication methods.
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
    folder.add_data_flag(parser)
    add_json_flag(parser)


def configure_show(parser: ArgumentParser, family: RegistrationKind) -> None:
    for word in family.identity:
        parser.add_argument(word, metavar=word.upper())
    configure_list(parser)


def configure_remove(parser: ArgumentParser, family: RegistrationKind) -> None:
    for word in family.identity:
        parser.add_argument(word, metavar=word.upper())
    folder.add_data_flag(parser)
    folder.add_yes_flag(parser)


def configure_add(parser: ArgumentParser, family: RegistrationKind) -> None:
    if family.array == "applications":
        parser.add_argument("name", metavar="NAME", help="the name that users see")
        parser.add_argument("--client-id", metavar="ID", help="the client ID (default: 32 generated characters)")
        parser.add_argument("--kind", choices=tuple(_USUAL_GRANTS), default="native", help="default: native")
        parser.add_argument(
            "--grant", action="append", metavar="GRANT", help="a grant type; repeatable (default: by kind)"
        )
        parser.add_argument(
            "--auth", action="append", metavar="METHOD", help="an authentication method; repeatable (default: by kind)"
        )
        parser.add_argument("--callback", action="append", metavar="URL", help="a redirect URI; repeatable")
        parser.add_argument(
            "--public-key", type=Path, metavar="FILE", help="its public key, in PEM or as a JWK, for private_key_jwt"
        )
        parser.add_argument(
            "--certificate",
            type=Path,
            metavar="FILE",
            help="its certificate in PEM, for self_signed_tls_client_auth (RFC 8705)",
        )
        parser.add_argument(
            "--certificate-name",
            metavar="NAME",
            help=(
                "the name in its certificate, for tls_client_auth: dns:robot.example, uri:, ip:, email: "
                "or subject:CN=..."
            ),
        )
    elif family.array == "apis":
        parser.add_argument("audience", metavar="AUDIENCE", help="its identifier, compared exactly")
        parser.add_argument("--name", help="the name that users see (default: the audience)")
        parser.add_argument("--scope", action="append", metavar="NAME[=WORDS]", help="a redirect URI; repeatable")
    else:
        parser.add_argument("client_id", metavar="CLIENT_ID")
        parser.add_argument("audience", metavar="AUDIENCE")
        parser.add_argument("--scope", action="append", metavar="NAME", help="a redirect URI; repeatable")
    configure_list(parser)


def list_all(flags: Namespace, family: RegistrationKind) -> int:
    with folder.registry_of(flags) as registry:
        found = _all(registry, family)
    if flags.json:
        for one in found:
            output.result_object(_without_secrets(one))
        return DONE
    rows = [[_cell(one.get(column, _default(family, column))) for column in family.columns] for one in found]
    for line in output.columns(rows):
        output.result(line)
    return DONE


def show(flags: Namespace, family: RegistrationKind) -> int:
    with folder.registry_of(flags) as registry:
        found = _without_secrets(_one(_all(registry, family), flags, family))
    if flags.json:
        output.result_object(found)
        return DONE
    for line in write_toml({family.array: [found]}).splitlines():
        output.result(line)
    return DONE


def add(flags: Namespace, family: RegistrationKind) -> int:
    with folder.registry_of(flags) as registry:
        table, secret = _table_of_flags(flags, family)
        tables = registry.tables()
        own = _all(registry, family)
        if any(_identity(one, family) == _identity(table, family) for one in own):
            raise Misuse(f"this {family.title} already exists", hint=f"To see it, run: {_show_hint(family)}")
        plan = registry.plan_tables({**tables, family.array: [*own, table]}, secret, str(table.get("client_id", "")))
        registry.carry_out(plan)
    members = {word: table[word] for word in family.identity}
    if secret is not None:
        members["client_secret"] = secret.reveal()
    if flags.json:
        output.result_object(members)
        return DONE
    for word, value in members.items():
        once = "   (shown this once)" if word == "client_secret" else ""
        output.result(f"{word:<13}  {value}{once}")
    return DONE


def remove(flags: Namespace, family: RegistrationKind) -> int:
    """Remove a registration and the grants that name it.

    Raises:
        Misuse: There is no such registration, another registration needs it, or the operator did not confirm.
    """
    with folder.registry_of(flags) as registry:
        tables = registry.tables()
        gone = _one(_all(registry, family), flags, family)
        remaining = {**tables, family.array: [one for one in _all(registry, family) if one != gone]}
        if family.array != "grants":
            [word] = family.identity
            grants = cast("list[Table]", tables.get("grants", []))
            remaining["grants"] = [one for one in grants if one[word] != gone[word]]
        plan = registry.plan_tables(remaining)
        folder.show(plan)
        folder.carry_out(registry, plan, yes=flags.yes)
    return DONE


def _all(registry: Registry, family: RegistrationKind) -> list[Table]:
    return cast("list[Table]", registry.tables().get(family.array, []))


def _one(found: list[Table], flags: Namespace, family: RegistrationKind) -> Table:
    wanted = _identity(vars(flags), family)
    for one in found:
        if _identity(one, family) == wanted:
            return one
    names = [_identity(one, family)[0] for one in found]
    raise Misuse(
        f"this {family.title} does not exist", hint=suggestion(wanted[0], names) if names else "There are none."
    )


def _identity(table: Mapping[str, Any], family: RegistrationKind) -> tuple[str, ...]:
    return tuple(table[word] for word in family.identity)


def _without_secrets(table: Table) -> Table:
    """Return the table of a registration for output. The number of secrets replaces the secrets."""
    secrets = cast("list[object]", table.get(SECRETS, []))
    return {**table, SECRETS: len(secrets)} if secrets else table


def _table_of_flags(flags: Namespace, family: RegistrationKind) -> tuple[Table, Secret | None]:
    """Return the registration that the flags describe, and a new client secret, or None if it needs no secret."""
    if family.array == "apis":
        asked: list[str] = flags.scope or []
        pairs = [scope.partition("=") for scope in asked]
        scopes = {name: words or name for name, _, words in pairs}
        return {"audience": flags.audience, "name": flags.name or flags.audience, "scopes": scopes}, None
    if family.array == "grants":
        return {"client_id": flags.client_id, "audience": flags.audience, "scopes": flags.scope or []}, None
    return _application(flags)


def _application(flags: Namespace) -> tuple[Table, Secret | None]:
    # Imported here, since these modules need the extra `serve`, but --help and completion must work without it.
    from keyfob.server.io.certificates import read_own_certificate  # noqa: PLC0415
    from keyfob.server.io.registry import new_client_id, new_client_secret  # noqa: PLC0415

    callbacks: list[str] = flags.callback or []
    grants = list(_USUAL_GRANTS[flags.kind])
    if flags.kind == "native" and callbacks:
        grants.append("authorization_code")
    proofs: Table = {}
    methods: list[str] = []
    if flags.public_key is not None:
        proofs["public_keys"] = [_read_public_key(flags.public_key)]
        methods.append("private_key_jwt")
    if flags.certificate_name:
        proofs["certificate_name"] = flags.certificate_name
        methods.append("tls_client_auth")
    if flags.certificate is not None:
        proofs["certificates"] = [read_own_certificate(flags.certificate)]
        methods.append("self_signed_tls_client_auth")
    auth: list[str] = flags.auth or methods or _USUAL_AUTH[flags.kind]
    table: Table = {
        "client_id": flags.client_id or new_client_id(),
        "name": flags.name,
        "kind": flags.kind,
        "grants": flags.grant or grants,
        "auth": auth,
        "callbacks": callbacks,
        **proofs,
    }
    has_secret = any(method.startswith("client_secret") for method in auth)
    return table, new_client_secret() if has_secret else None


def _read_public_key(file: Path) -> dict[str, object]:
    """Return the public key in a file as a JWK.

    Raises:
        Misuse: The file cannot be read, or contains no public key.
    """
    from keyfob.jose.keys import PublicKey  # noqa: PLC0415  cryptography is slow to import

    try:
        return PublicKey.find_jwk(file.read_bytes())
    except OSError as problem:
        raise Misuse(f"{file} cannot be read: {problem.strerror}") from None
    except Malformed:
        hint = "Of a private key, the public one is made by: openssl pkey -in FILE -pubout"
        raise Misuse(f"{file} is not a public key in PEM or a JWK", hint=hint) from None


def _default(family: RegistrationKind, column: str) -> object:
    """Return the text that `list` prints for a field that tenant.toml does not set: the field's default, or ""."""
    default = ARRAYS[family.array][1].keys[column].default
    return default if isinstance(default, str) else ""


def _cell(value: object) -> str:
    return " ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)


def _show_hint(family: RegistrationKind) -> str:
    name = next(name for name, one in FAMILIES.items() if one is family)
    return f"keyfob tenant {name} show {' '.join(word.upper() for word in family.identity)}"

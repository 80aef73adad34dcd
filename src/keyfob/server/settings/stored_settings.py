"""Convert settings to tables (as in tenant.toml), convert tables to documents of the store, and convert both back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from keyfob.errors import Misuse
from keyfob.protocol.base64url import base64url
from keyfob.protocol.secret import Secret
from keyfob.server.records import DEFAULT_CONNECTION, Document
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.field_types import Reference, read_keyed, read_list, read_reference, read_table, read_text
from keyfob.server.settings.registered import Api, ApiGrant, Application, Connection, Role
from keyfob.server.settings.schema import (
    API,
    APPLICATION,
    ARRAYS,
    CONNECTION,
    GRANT,
    ROLE,
    SECRETS,
    TENANT,
    Report,
    Table,
    TableSchema,
    stop_at_once,
    tables_of,
)
from keyfob.server.settings.toml import Location

Resolve = Callable[[Reference], Secret]
SECRET_PLACES: Final = ("env", "file", "keyed")
_TENANT: Final = "tenant"
_ISSUER_HINT: Final = 'Such as "https://login.example.com/". Without it, the tenant is where `keyfob serve` listens.'


def write_tables(config: TenantConfig, *, names_issuer: bool = True) -> Table:
    """Return settings as tables. Default values are left out.

    Args:
        config: The settings, with keyed hashes in place of client secrets.
        names_issuer: Whether to write the issuer.

    Raises:
        Misuse: The settings contain a client secret in plain text.
    """
    if any(application.secrets for application in config.applications):
        raise Misuse("client secrets are not written in clear")
    tenant = {**({"issuer": config.issuer} if names_issuer else {}), **TENANT.write(config)}
    tables: Table = {
        _TENANT: tenant,
        "applications": [_write_application(found) for found in config.applications],
        "apis": [API.write(found) for found in config.apis],
        "grants": [GRANT.write(found) for found in config.grants],
        "roles": [ROLE.write(found) for found in config.roles],
        "connections": [CONNECTION.write(found) for found in config.connections],
    }
    if config.connections == (Connection(),):
        del tables["connections"]
    return {name: table for name, table in tables.items() if table or name == "connections"}


def _write_application(application: Application) -> Table:
    hashes = [{"keyed": base64url(one)} for one in application.secret_hashes]
    return {**APPLICATION.write(application), **({SECRETS: hashes} if hashes else {})}


def read_tables(tables: Table, *, issuer: str, resolve: Resolve, report: Report = stop_at_once) -> TenantConfig | None:
    """Return the settings, or None if errors were reported.

    Args:
        tables: The tables, with the field names of tenant.toml. `users` and unknown tables are ignored.
        issuer: The issuer to use if the tables have no issuer.
        resolve: The function that returns the secret of a reference. It raises Misuse if there is no secret.
        report: The function to call for each error. By default, it raises the first error as Misuse.
    """
    errors: list[Location] = []

    def count(at: Location, message: str, hint: str) -> None:
        errors.append(at)
        report(at, message, hint)

    tenant = _read_tenant(tables.get(_TENANT, {}), issuer, count)
    read: dict[str, list[tuple[Location, Any]]] = {}
    for name, (_, schema, _) in ARRAYS.items():
        found = tables_of(tables.get(name, []), (name,), count)
        read[name] = [(at, made) for at, table in found for made in _make(name, schema, table, at, resolve, count)]
    if "connections" not in tables:
        read["connections"] = [((_TENANT,), Connection())]
    if errors:
        return None
    try:
        return _config(tenant, read)
    except Misuse as whole:
        _locate(tenant, read, whole, count)
        return None


def _read_tenant(value: object, issuer: str, report: Report) -> dict[str, Any]:
    """Return the fields of the table `tenant`. The parameter `issuer` is used only if the table names no issuer."""
    try:
        table = dict(read_table(value))
    except Misuse:
        report((_TENANT,), "tenant is not a table", "Write [tenant] above its settings.")
        return {}
    try:
        named = read_text(table.pop("issuer", issuer))
    except Misuse as wrong:
        report((_TENANT, "issuer"), f"tenant: issuer {wrong.message}", _ISSUER_HINT)
        named = issuer
    return {"issuer": named, **(TENANT.read(table, (_TENANT,), report) or {})}


def _make(
    name: str, schema: TableSchema, table: Table, at: Location, resolve: Resolve, report: Report
) -> Iterable[object]:
    """Yield the object of a table, or nothing if errors were reported."""
    found = schema.read(table, at, report)
    secrets: dict[str, Any] = {}
    if name == "applications" and SECRETS in table:
        try:
            secrets = _read_secrets(table[SECRETS], resolve)
        except Misuse as wrong:
            report((*at, SECRETS), f"application: secrets {wrong.message}", wrong.hint)
            return
    if found is not None:
        yield _MADE[name](**found, **secrets)


def _read_secrets(value: object, resolve: Resolve) -> dict[str, Any]:
    """Return the fields `secrets` and `secret_hashes` of a client.

    Raises:
        Misuse: A reference is malformed, or its secret cannot be found.
    """
    found = [read_reference(one, SECRET_PLACES) for one in ([value] if isinstance(value, str) else read_list(value))]
    return {
        "secrets": tuple(resolve(one) for one in found if one.where != "keyed"),
        "secret_hashes": tuple(read_keyed(one.name) for one in found if one.where == "keyed"),
    }


_MADE: Final[dict[str, Callable[..., object]]] = {
    "applications": Application,
    "apis": Api,
    "grants": ApiGrant,
    "roles": Role,
    "connections": Connection,
}


def _config(tenant: dict[str, Any], read: dict[str, list[tuple[Location, Any]]]) -> TenantConfig:
    arrays: dict[str, Any] = {name: tuple(one for _, one in found) for name, found in read.items()}
    pairs = [(grant.client_id, grant.audience) for grant in arrays["grants"]]
    if len(set(pairs)) < len(pairs):
        raise Misuse("grant: an application has two grants for one API", hint="Put their scopes into one.")
    return TenantConfig(**tenant, **arrays)


def _locate(tenant: dict[str, Any], read: dict[str, list[tuple[Location, Any]]], whole: Misuse, report: Report) -> None:
    """Find the parts that make settings invalid, and report each with its location.

    Args:
        tenant: The fields of the table `tenant`.
        read: The objects of the other tables, with their locations.
        whole: The error of the settings as a whole. It is reported if each part alone is valid.
        report: The function to call for each error.
    """
    pointers = ("default_audience", "default_directory")
    nothing: dict[str, Any] = {"applications": (), "apis": (), "connections": ()}
    bare = {**{name: value for name, value in tenant.items() if name not in pointers}, **nothing}
    try:
        TenantConfig(**bare)
    except Misuse as wrong:
        word = wrong.message.partition(" ")[0].rstrip(":").partition(".")[0]
        report((_TENANT, word), f"tenant: {wrong.message}", wrong.hint)
        return
    bare.pop("device", None)  # the rules may name scopes of any API, and the APIs are checked one by one
    found = _twice(read, report)
    bare["connections"] = tuple({one.name: one for _, one in read["connections"]}.values())
    for name in ("apis", "applications"):
        found += [_is_wrong({**bare, name: (one,)}, at, report) for at, one in read[name]]
    if not any(found):
        filled = {**bare, **{name: tuple(one for _, one in read[name]) for name in ("apis", "applications")}}
        for name in ("grants", "roles"):
            found += [_is_wrong({**filled, name: (one,)}, at, report) for at, one in read[name]]
    if not any(found):
        word = next((name for name in (*pointers, "device") if whole.message.startswith(name)), "")
        report((_TENANT, word) if word else (_TENANT,), f"tenant: {whole.message}", whole.hint)


def _twice(read: dict[str, list[tuple[Location, Any]]], report: Report) -> list[bool]:
    """Report each name that is defined twice. Return one True for each report; [] if there is none."""
    found: list[bool] = []
    for name, (kind, _, identity) in ARRAYS.items():
        seen: set[tuple[str, ...]] = set()
        for at, one in read[name]:
            own = tuple(getattr(one, word) for word in identity)
            if own in seen:
                report(at, f"{kind} {' at '.join(own)} is defined twice", "Remove one of them.")
                found.append(True)
            seen.add(own)
    return found


def _is_wrong(settings: dict[str, Any], at: Location, report: Report) -> bool:
    """Return whether settings are invalid. If they are, report the reason."""
    try:
        TenantConfig(**settings)
    except Misuse as wrong:
        report(at, wrong.message, wrong.hint)
        return True
    return False


def write_documents(tables: Table) -> tuple[Document, ...]:
    """Convert settings that were already checked to records for the store, ordered by kind and name."""
    found = [Document(_TENANT, _TENANT, _json(tables.get(_TENANT, {})))]
    whole: Table = {"connections": list[Table]([{}]), **tables}
    for name, (kind, _, identity) in ARRAYS.items():
        for table in cast("list[dict[str, str]]", whole.get(name, [])):
            # Only a connection's name may be left out.
            own = " ".join(table.get(word, DEFAULT_CONNECTION) for word in identity)
            found.append(Document(kind, own, _json(table)))
    return tuple(sorted(found, key=lambda one: (one.kind, one.name)))


def read_documents(documents: Iterable[Document]) -> Table:
    """Convert documents to tables.

    Raises:
        Misuse: A newer keyfob wrote the documents, or they are damaged.
    """
    arrays = {kind: name for name, (kind, _, _) in ARRAYS.items()}
    tables: Table = {_TENANT: {}, **{name: list[Table]() for name in arrays.values()}}
    for document in documents:
        try:
            table = read_table(json.loads(document.text))
        except (ValueError, Misuse):
            raise Misuse(f"the stored {document.kind} cannot be read", hint="The store is damaged.") from None
        if document.kind == _TENANT:
            tables[_TENANT] = table
        elif document.kind in arrays:
            cast("list[Table]", tables[arrays[document.kind]]).append(table)
        else:
            raise Misuse("the store holds settings of a newer keyfob", code="store-newer", hint="Use that version.")
    return tables


def config_of(documents: Iterable[Document], issuer: str) -> TenantConfig:
    """Convert documents to settings.

    Raises:
        Misuse: The documents are missing or not valid.
    """
    found = read_tables(read_documents(documents), issuer=issuer, resolve=_never)
    assert found is not None, "the first mistake is raised"  # noqa: S101
    return found


def documents_of(config: TenantConfig, *, names_issuer: bool = True) -> tuple[Document, ...]:
    """Convert settings to documents.

    Raises:
        Misuse: The settings contain a client secret in plain text.
    """
    return write_documents(write_tables(config, names_issuer=names_issuer))


def _never(reference: Reference) -> Secret:
    """Raise Misuse, since stored settings contain keyed hashes, never references."""
    raise Misuse(f"point to a secret elsewhere ({reference.where})", hint="The store is damaged.")


def _json(table: object) -> str:
    return json.dumps(table, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

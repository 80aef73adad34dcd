"""The schema of tenant.toml: the keys of each table and their types, derived from one dataclass for each table."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, Final, NamedTuple, NoReturn

from keyfob.errors import Misuse
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.device_rules import DeviceRules, OwnDeviceRules
from keyfob.server.settings.field_types import (
    GRANTS,
    METHODS,
    PUBLIC_KEYS,
    FieldType,
    field_type_of,
    read_list,
    read_table,
    suggestion,
)
from keyfob.server.settings.registered import Api, ApiGrant, Application, Connection, RefreshPolicy, Role
from keyfob.server.settings.toml import Location

Report = Callable[[Location, str, str], None]  # with the location of an error, its message and its hint
Table = dict[str, object]
# `secrets` and `password` are read separately, since they are references to other places.
SECRETS: Final = "secrets"

# Auth0's names, for hints; they are too different to be found by similarity.
_AUTH0_WORDS: Final = {
    "app_type": "kind",
    "token_endpoint_auth_method": "auth",
    "auth_methods": "auth",
    "grant_types": "grants",
    "allowed_logout_urls": "logout_urls",
    "allowed_origins": "web_origins",
    "refresh_token": "refresh",
    "client_secret": "secrets",
    "tls_client_auth_subject_dn": "certificate_name",
    "tls_client_auth_san_dns": "certificate_name",
    "identifier": "audience",
    "signing_alg": "algorithm",
    "token_dialect": "profile",
    "enforce_policies": "enforces_permissions",
    "lifetime": "token_lifetime",
    "scope": "scopes",
}


class Key(NamedTuple):
    """A key of a table, and the dataclass field for its value. `default` is MISSING if the key is required."""

    name: str
    field: str
    type: FieldType
    default: Any


class TableSchema:
    """The schema of a table.

    Attributes:
        title: The name of the table's content in messages.
        keys: The keys by their names, in the order of the dataclass.
        extra: The names of further keys, which the schema allows and other code reads.
    """

    def __init__(
        self,
        record: type,
        title: str,
        special: Mapping[str, tuple[str, FieldType]] | None = None,
        *,
        extra: Sequence[str] = (),
        skipped: Sequence[str] = (),
    ) -> None:
        """Create the schema of a dataclass.

        Args:
            record: The dataclass.
            title: The name of the table's content in messages.
            special: The fields whose keys cannot be derived, each with the name and the type of its key.
            extra: The names of further keys, which the schema allows and other code reads.
            skipped: The fields of the dataclass that have no key in the table.
        """
        self.title = title
        self.extra = tuple(extra)
        hints = typing.get_type_hints(record)
        named = dict(special or {})
        found = [field for field in fields(record) if field.name not in skipped]
        self.keys: dict[str, Key] = {}
        for field in found:
            name, field_type = named.get(field.name) or (field.name, field_type_of(hints[field.name]))
            self.keys[name] = Key(name, field.name, field_type, _default(field))

    def read(self, table: Table, at: Location, report: Report) -> dict[str, Any] | None:
        """Return the values of a table by the names of their fields, or None if an error was reported."""
        found: dict[str, Any] = {}
        is_right = True
        for word, value in table.items():
            if word in self.extra:
                continue
            key = self.keys.get(word)
            if key is None:
                report((*at, word), f"{self.title}: the key {_shown(word)} does not exist", self._nearest(word))
                is_right = False
                continue
            try:
                found[key.field] = key.type.read(value)
            except Misuse as wrong:
                report((*at, word), f"{self.title}: {word} {wrong.message}", wrong.hint)
                is_right = False
        for key in self.keys.values():
            if key.default is MISSING and key.name not in table:
                report(at, f"{self.title}: {key.name} is missing", f"Its value is {key.type.description}.")
                is_right = False
        return found if is_right else None

    def write(self, record: object) -> Table:
        """Return a record as a table, without default values."""
        found: Table = {}
        for key in self.keys.values():
            value = getattr(record, key.field)
            if value is not None and (key.default is MISSING or value != key.default):
                found[key.name] = key.type.write(value)
        return found

    def _nearest(self, word: str) -> str:
        words = [*self.keys, *self.extra]
        meant = _AUTH0_WORDS.get(word)
        return f'Did you mean "{meant}"?' if meant in words else suggestion(word, words)


def _default(field: Field[Any]) -> Any:  # noqa: ANN401
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _shown(word: str) -> str:
    """Return the text for an unknown key in a message.

    The text contains the key only if it is short and printable, since a long key could be a misplaced secret.
    """
    return f'"{word}"' if len(word) <= 40 and word.isprintable() else "of that name"


def stop_at_once(at: Location, message: str, hint: str) -> NoReturn:
    """Raise the reported error as Misuse, so that the first error ends the reading."""
    del at
    raise Misuse(message, hint=hint)


def _inside(at: Location, message: str, hint: str) -> NoReturn:
    """Raise an error of a nested table. The caller puts the name of the outer key before the message."""
    del at
    raise Misuse(f"has a mistake: {message.partition(': ')[2]}", hint=hint)


def _read_refresh(value: object) -> RefreshPolicy:
    return RefreshPolicy(**(REFRESH.read(read_table(value), (), _inside) or {}))


def _read_device(value: object) -> DeviceRules:
    return DeviceRules(**(DEVICE.read(read_table(value), (), _inside) or {}))


def _read_own_device(value: object) -> OwnDeviceRules:
    return OwnDeviceRules(**(OWN_DEVICE.read(read_table(value), (), _inside) or {}))


def tables_of(value: object, at: Location, report: Report) -> list[tuple[Location, Table]]:
    """Return the tables of an array of tables with their locations. If `value` is no such array, report this."""
    found: list[tuple[Location, Table]] = []
    try:
        for number, one in enumerate(read_list(value)):
            found.append(((*at, number), read_table(one)))
    except Misuse:
        report(at, f"{at[0]} is not an array of tables", f"Write [[{at[0]}]] above each.")
    return found


REFRESH: Final = TableSchema(RefreshPolicy, "refresh")
DEVICE: Final = TableSchema(DeviceRules, "device")
OWN_DEVICE: Final = TableSchema(OwnDeviceRules, "device")
TENANT: Final = TableSchema(
    TenantConfig,
    "tenant",
    {"device": ("device", FieldType("a table", _read_device, DEVICE.write))},
    skipped=("applications", "apis", "grants", "roles", "connections", "issuer", "for_certificates"),
)
APPLICATION: Final = TableSchema(
    Application,
    "application",
    {
        "grants": ("grants", GRANTS),
        "auth_methods": ("auth", METHODS),
        "public_keys": ("public_keys", PUBLIC_KEYS),
        "refresh": ("refresh", FieldType("a table", _read_refresh, REFRESH.write)),
        "device": ("device", FieldType("a table", _read_own_device, OWN_DEVICE.write)),
    },
    extra=(SECRETS,),
    skipped=("secrets", "secret_hashes"),
)
API: Final = TableSchema(Api, "API")
GRANT: Final = TableSchema(ApiGrant, "grant")
ROLE: Final = TableSchema(Role, "role")
CONNECTION: Final = TableSchema(Connection, "connection")

# For each array of tables: the kind of the documents that store the tables, their schema, and the fields that form the
# name of a document.
ARRAYS: Final[dict[str, tuple[str, TableSchema, tuple[str, ...]]]] = {
    "applications": ("application", APPLICATION, ("client_id",)),
    "apis": ("api", API, ("audience",)),
    "grants": ("grant", GRANT, ("client_id", "audience")),
    "roles": ("role", ROLE, ("name",)),
    "connections": ("connection", CONNECTION, ("name",)),
}

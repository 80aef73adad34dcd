"""Which words of tenant.toml stand for which settings: one shape for each kind of table, made from its dataclass."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, Final, NamedTuple, NoReturn

from keyfob.errors import Misuse
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.field_types import (
    GRANTS,
    METHODS,
    PUBLIC_KEYS,
    Kind,
    kind_of,
    read_list,
    read_table,
    suggestion,
)
from keyfob.server.settings.registered import Api, ApiGrant, Application, Connection, RefreshPolicy, Role

Where = tuple[str | int, ...]  # ("applications", 0, "callbacks")
Tell = Callable[[Where, str, str], None]  # where, what is wrong, what to do
Table = dict[str, object]
# Said only in tenant.toml: `secrets` and `password` are read apart, since they point elsewhere.
SECRETS: Final = "secrets"

# What Auth0 calls it; nearness of letters would not find ours.
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
    """One word of a table. `default` is MISSING where it has to be said."""

    word: str
    field: str
    kind: Kind
    default: Any


class Shape:
    """A kind of table.

    Attributes:
        title: What one of them is, for a person.
        keys: By their words, in the order of the dataclass.
    """

    def __init__(
        self,
        record: type,
        title: str,
        special: Mapping[str, tuple[str, Kind]] | None = None,
        *,
        apart: Sequence[str] = (),
        skipped: Sequence[str] = (),
    ) -> None:
        """Learn the words from the record.

        Args:
            record: A dataclass.
            title: What one of them is.
            special: Fields that have another word or another kind than their type says.
            apart: Words that may stand there too, and are read by somebody else.
            skipped: Fields that are not said in this table.
        """
        self.title = title
        self.apart = tuple(apart)
        hints = typing.get_type_hints(record)
        named = dict(special or {})
        found = [field for field in fields(record) if field.name not in skipped]
        ways = {field.name: named.get(field.name) or (field.name, kind_of(hints[field.name])) for field in found}
        self.keys = {
            ways[field.name][0]: Key(ways[field.name][0], field.name, ways[field.name][1], _default(field))
            for field in found
        }

    def read(self, table: Table, at: Where, tell: Tell) -> dict[str, Any] | None:
        """The settings of one table, by the names of their fields; None after telling of mistakes."""
        found: dict[str, Any] = {}
        is_right = True
        for word, value in table.items():
            if word in self.apart:
                continue
            key = self.keys.get(word)
            if key is None:
                tell((*at, word), f"{self.title}: there is no key {_shown(word)}", self._nearest(word))
                is_right = False
                continue
            try:
                found[key.field] = key.kind.read(value)
            except Misuse as wrong:
                tell((*at, word), f"{self.title}: {word} {wrong.message}", wrong.hint)
                is_right = False
        for key in self.keys.values():
            if key.default is MISSING and key.word not in table:
                tell(at, f"{self.title}: {key.word} is missing", f"It is {key.kind.says}.")
                is_right = False
        return found if is_right else None

    def write(self, record: object) -> Table:
        """A table; what is as it would be anyway is left out."""
        found: Table = {}
        for key in self.keys.values():
            value = getattr(record, key.field)
            if value is not None and (key.default is MISSING or value != key.default):
                found[key.word] = key.kind.write(value)
        return found

    def _nearest(self, word: str) -> str:
        words = [*self.keys, *self.apart]
        meant = _AUTH0_WORDS.get(word)
        return f'Did you mean "{meant}"?' if meant in words else suggestion(word, words)


def _default(field: Field[Any]) -> Any:  # noqa: ANN401
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _shown(word: str) -> str:
    """A key as it may be said: a long one could be a secret that lost its way."""
    return f'"{word}"' if len(word) <= 40 and word.isprintable() else "of that name"


def stop_at_once(at: Where, message: str, hint: str) -> NoReturn:
    """A `Tell` for those who want to hear of the first mistake only.

    Raises:
        Misuse: Always.
    """
    del at
    raise Misuse(message, hint=hint)


def _inside(at: Where, message: str, hint: str) -> NoReturn:
    """A `Tell` for a table within a table.

    Raises:
        Misuse: Always; its message goes on after the outer key's name.
    """
    del at
    raise Misuse(f"holds a mistake: {message.partition(': ')[2]}", hint=hint)


def _read_refresh(value: object) -> RefreshPolicy:
    return RefreshPolicy(**(REFRESH.read(read_table(value), (), _inside) or {}))


def tables_of(value: object, at: Where, tell: Tell) -> list[tuple[Where, Table]]:
    """The tables of an array of tables, and where each stands; tells of what is none."""
    found: list[tuple[Where, Table]] = []
    try:
        for number, one in enumerate(read_list(value)):
            found.append(((*at, number), read_table(one)))
    except Misuse:
        tell(at, f"{at[0]} is not an array of tables", f"Write [[{at[0]}]] above each.")
    return found


REFRESH: Final = Shape(RefreshPolicy, "refresh")
TENANT: Final = Shape(
    TenantConfig,
    "tenant",
    skipped=("applications", "apis", "grants", "roles", "connections", "issuer", "for_certificates"),
)
APPLICATION: Final = Shape(
    Application,
    "application",
    {
        "grants": ("grants", GRANTS),
        "auth_methods": ("auth", METHODS),
        "public_keys": ("public_keys", PUBLIC_KEYS),
        "refresh": ("refresh", Kind("a table", _read_refresh, REFRESH.write)),
    },
    apart=(SECRETS,),
    skipped=("secrets", "secret_hashes"),
)
API: Final = Shape(Api, "API")
GRANT: Final = Shape(ApiGrant, "grant")
ROLE: Final = Shape(Role, "role")
CONNECTION: Final = Shape(Connection, "connection")

# The arrays of tables, how one of each is called in the store, and how it is told from the others there.
ARRAYS: Final[dict[str, tuple[str, Shape, tuple[str, ...]]]] = {
    "applications": ("application", APPLICATION, ("client_id",)),
    "apis": ("api", API, ("audience",)),
    "grants": ("grant", GRANT, ("client_id", "audience")),
    "roles": ("role", ROLE, ("name",)),
    "connections": ("connection", CONNECTION, ("name",)),
}

"""The types of values in tenant.toml: how each is read and written."""

from __future__ import annotations

import base64
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final, Literal, cast

from keyfob.errors import Misuse
from keyfob.protocol.client_authentication import AUTH_METHODS, TLS_METHODS
from keyfob.protocol.grants import GRANT_TYPES

_SPAN: Final = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})(?:\.(\d{1,6}))?s)?\Z", re.ASCII)
_SPAN_HINT: Final = 'Such as "15m", "30d" or "1h30m".'
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # the private members of a JWK: RFC 7518 §6
HASH_BYTES: Final = 32
LONGEST_SPAN: Final = timedelta(days=36500)  # the sum with the present time does not overflow
LARGEST_COUNT: Final = 2**31 - 1
SHORT_GRANTS: Final = {full.rpartition(":")[2].rpartition("/")[2]: full for full in GRANT_TYPES}


@dataclass(frozen=True, slots=True)
class FieldType:
    """A type of values in tenant.toml.

    Attributes:
        description: The name of the type in messages: "a string", "a duration".
        read: The function that converts a value from TOML, JSON or YAML. It raises Misuse with a message to put after
            the key's name, such as "is not a string".
        write: The function that converts a value to TOML or JSON.
    """

    description: str
    read: Callable[[object], Any]
    write: Callable[[Any], object] = lambda value: value


def write_span(span: timedelta) -> str:
    """Return a duration as text: `1h30m`."""
    hours, seconds = divmod(span.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    rest = f"{seconds}.{span.microseconds:06}".rstrip("0") if span.microseconds else str(seconds)
    parts = ((span.days, "d"), (hours, "h"), (minutes, "m"))
    text = "".join(f"{number}{unit}" for number, unit in parts if number) + (f"{rest}s" if rest != "0" else "")
    return text or "0s"


def read_span(value: object) -> timedelta:
    """Read a duration from text such as `15m`, `30d`, `1h30m`."""
    found = _SPAN.match(value) if isinstance(value, str) and value else None
    if found is None:
        raise Misuse("is not a duration", hint=_SPAN_HINT)
    days, hours, minutes, seconds, part = found.groups("0")
    micro = int(part.ljust(6, "0"))
    total = int(days) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    if total > LONGEST_SPAN.total_seconds():
        raise Misuse("is longer than 100 years", hint=_SPAN_HINT)
    return timedelta(seconds=total, microseconds=micro)


def read_text(value: object) -> str:
    if not isinstance(value, str):
        raise Misuse("is not a string", hint='Put it in quotes: "..."')
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Misuse("contains an incomplete character", hint="Type it again, in UTF-8.") from None
    return value


def read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Misuse("is not true or false", hint="Write true or false, without quotes.")
    return value


def read_count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Misuse("is not an integer", hint="Write digits only, without quotes.")
    if abs(value) > LARGEST_COUNT:
        raise Misuse("is too large", hint=f"The largest value is {LARGEST_COUNT}.")
    return value


def read_odds(value: object) -> float:
    """Read a probability above 0, up to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise Misuse("is not a number above 0 and up to 1", hint="Such as 1e-9.")
    return float(value)


def read_list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise Misuse("is not a list", hint='Put it in brackets: ["..."]')
    return cast("list[object]", value)


def read_texts(value: object) -> tuple[str, ...]:
    found = read_list(value)
    if not all(isinstance(one, str) for one in found):
        raise Misuse("is not a list of strings", hint='Such as ["one", "two"].')
    return tuple(read_text(one) for one in found)


def read_table(value: object) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in cast("dict[object, object]", value)):
        raise Misuse("is not a table", hint='Write { name = "..." }.')
    return cast("dict[str, object]", value)


def read_names(value: object) -> dict[str, str]:
    """Read a table with a string for each name."""
    hint = 'Such as { "read:orders" = "read your orders" }.'
    if not isinstance(value, dict):
        raise Misuse("is not a table of strings", hint=hint)
    found = read_table(cast(object, value))
    if not all(isinstance(words, str) for words in found.values()):
        raise Misuse("contains a value that is not a string", hint=hint)
    return {read_text(name): read_text(words) for name, words in found.items()}


def read_permissions(value: object) -> tuple[tuple[str, str], ...]:
    """Read a table with a list of scopes for each API. Return sorted pairs of audience and scope."""
    hint = 'Such as { "https://orders.example/" = ["read:orders"] }.'
    if not isinstance(value, dict):
        raise Misuse("is not a table with a list of scopes for each API", hint=hint)
    table = read_table(cast(object, value))
    try:
        pairs = {(read_text(audience), scope) for audience, scopes in table.items() for scope in read_texts(scopes)}
    except Misuse:
        raise Misuse("is not a table with a list of scopes for each API", hint=hint) from None
    return tuple(sorted(pairs))


def write_permissions(pairs: Sequence[tuple[str, str]]) -> object:
    found: dict[str, list[str]] = {}
    for audience, scope in sorted(set(pairs)):
        found.setdefault(audience, []).append(scope)
    return found


def chosen(options: Sequence[str]) -> Callable[[object], str]:
    """Return a function that returns its argument if this is one of the options, and otherwise raises Misuse."""

    def read(value: object) -> str:
        if value not in options or not isinstance(value, str):
            raise Misuse("is not an allowed value", hint=suggestion(value, options))
        return value

    return read


def chosen_list(options: Sequence[str]) -> Callable[[object], tuple[str, ...]]:
    """Return a function that reads a list of values, which must all be among the options."""
    one = chosen(options)
    return lambda value: tuple(one(word) for word in read_texts(value))


def suggestion(word: object, options: Sequence[str]) -> str:
    """Return a hint with the option that is similar to the word, or with all options if none is similar."""
    near = get_close_matches(word, options, 1) if isinstance(word, str) else []
    return f'Did you mean "{near[0]}"?' if near else f"Use one of: {', '.join(options)}"


def read_grants(value: object) -> tuple[str, ...]:
    """Read grant types by their short or full names."""
    found = read_texts(value)
    for name in found:
        if name not in SHORT_GRANTS and name not in GRANT_TYPES:
            raise Misuse("contains an unknown grant type", hint=suggestion(name, list(SHORT_GRANTS)))
    return tuple(SHORT_GRANTS.get(name, name) for name in found)


def write_grants(grants: Sequence[str]) -> object:
    """Write grant types by their short names."""
    short = {full: name for name, full in SHORT_GRANTS.items()}
    return [short.get(name, name) for name in grants]


def read_methods(value: object) -> tuple[str, ...]:
    """Read one authentication method, or a list of methods."""
    return chosen_list(_METHODS)([value] if isinstance(value, str) else value)


def write_methods(methods: Sequence[str]) -> object:
    """Write one authentication method as a string, several as a list."""
    return methods[0] if len(methods) == 1 else list(methods)


def read_public_keys(value: object) -> tuple[Mapping[str, object], ...]:
    """Read JWKs, which must not be private keys."""
    keys = tuple(read_table(key) for key in read_list(value))
    if any(_PRIVATE & set(key) for key in keys):
        raise Misuse("contains a private key", hint="Only the client may have it. Write its public members here.")
    for key in keys:
        for member in key.values():
            if not isinstance(member, str):
                read_texts(member)
    return keys


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a secret, or the hash that replaces a secret.

    Attributes:
        where: `env` or `file` for a reference, `keyed` or `hash` for a hash.
        name: The name of the environment variable, the path of the file, or the hash.
    """

    where: str
    name: str


def read_reference(value: object, kinds: Sequence[str]) -> Reference:
    """Read a reference. Messages never repeat the value, which could be the secret itself."""
    hint = f"Write {' or '.join(_example(kind) for kind in kinds)}."
    if isinstance(value, str):
        raise Misuse("contains a secret in plain text", hint=f"{hint} Then change the secret: it was stored in a file.")
    table = read_table(cast(object, value)) if isinstance(value, dict) else {}
    [(where, name)] = table.items() if len(table) == 1 else [("", None)]
    if where not in kinds or not isinstance(name, str) or not name:
        raise Misuse("is not a reference to a secret", hint=hint)
    return Reference(where, name)


def read_keyed(text: str) -> bytes:
    """Read a keyed hash from base64url."""
    try:
        found = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES:
        raise Misuse(
            "is not a keyed hash",
            hint="Copy it from the output of `keyfob tenant export`; it is not the secret itself.",
        )
    return found


def _example(kind: str) -> str:
    inner = {"env": "NAME", "file": "PATH", "keyed": "...", "hash": "$argon2id$..."}[kind]
    return f'{{ {kind} = "{inner}" }}'


def field_type_of(hint: Any) -> FieldType:  # noqa: ANN401  a type, or what typing makes of one
    """Return the field type for the annotation of a dataclass field.

    Raises:
        TypeError: The annotation has no field type.
    """
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:  # the latter with a Literal
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    if typing.get_origin(hint) is Literal:
        options = typing.get_args(hint)
        return FieldType("one of " + ", ".join(f"`{word}`" for word in options), chosen(options))
    if typing.get_origin(hint) is tuple and typing.get_origin(typing.get_args(hint)[0]) is Literal:
        options = typing.get_args(typing.get_args(hint)[0])
        return FieldType("a list of " + ", ".join(f"`{word}`" for word in options), chosen_list(options), list)
    if hint not in _PLAIN:
        msg = f"there is no field type for {hint}"
        raise TypeError(msg)
    return _PLAIN[hint]


_METHODS: Final = (*AUTH_METHODS, *TLS_METHODS)
_PLAIN: Final[dict[object, FieldType]] = {
    str: FieldType("a string", read_text),
    bool: FieldType("true or false", read_flag),
    int: FieldType("an integer", read_count),
    float: FieldType("a number up to 1", read_odds),
    timedelta: FieldType("a duration", read_span, write_span),
    tuple[str, ...]: FieldType("a list of strings", read_texts, list),
    dict[str, str]: FieldType("a table of strings", read_names, dict),
    tuple[tuple[str, str], ...]: FieldType("a list of scopes for each API", read_permissions, write_permissions),
}
GRANTS: Final = FieldType("a list of grant types, by their short or full names", read_grants, write_grants)
METHODS: Final = FieldType(
    "one of " + ", ".join(f"`{method}`" for method in _METHODS) + "; or a list", read_methods, write_methods
)
PUBLIC_KEYS: Final = FieldType("a list of JWKs", read_public_keys, lambda keys: [dict(key) for key in keys])

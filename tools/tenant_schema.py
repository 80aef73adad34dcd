"""Write the JSON Schema of tenant.toml, for editors, from the keys in the code and the texts in docs/tenant.md.

python -m tools.tenant_schema            bring docs/tenant.schema.json up to date
python -m tools.tenant_schema --check    fail if docs/tenant.schema.json is not up to date
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Final

from keyfob.protocol.grants import GRANT_TYPES
from keyfob.server.settings.config import SHORTEST_PASSWORD
from keyfob.server.settings.field_types import GRANTS, LARGEST_COUNT, METHODS, PUBLIC_KEYS, SHORT_GRANTS
from keyfob.server.settings.registered import MOST_KEYS
from keyfob.server.settings.schema import (
    API,
    APPLICATION,
    ARRAYS,
    DEVICE,
    OWN_DEVICE,
    REFRESH,
    TENANT,
    Key,
    TableSchema,
)
from keyfob.server.settings.users import LONGEST_EMAIL, USER
from tools.source import ROOT, settle

FILE = ROOT / "docs" / "tenant.schema.json"
PAGE = ROOT / "docs" / "tenant.md"
SECTION = re.compile(r"^### \[*(\w+)\]*\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (\S.*?) \|$", re.MULTILINE)
ALSO = re.compile(r"^Also `(\w+)`: (.*?)\n\n", re.MULTILINE | re.DOTALL)
Shape = Mapping[str, object]  # a part of a JSON Schema


def list_of(shape: Shape) -> Shape:
    return {"type": "array", "items": shape}


def table_of(shape: Shape) -> Shape:
    """Return the schema of a table whose keys may have any names."""
    return {"type": "object", "additionalProperties": shape}


def matching(pattern: str) -> Shape:
    """Return the schema of a string that matches a pattern. JavaScript, Rust and Python must support the pattern."""
    return {"type": "string", "pattern": f"^{pattern}$"}


def reference_of(kinds: Mapping[str, Shape]) -> Shape:
    """Return the schema of a reference to a secret: a table with exactly one of the given keys."""
    one = {"minProperties": 1, "maxProperties": 1}
    return {"type": "object", "properties": kinds, "additionalProperties": False, **one}


TEXT: Final = {"type": "string"}
SOME_TEXT: Final = {**TEXT, "minLength": 1}
TEXTS: Final = list_of(TEXT)
WEB_URL: Final = matching("[Hh][Tt][Tt][Pp][Ss]?://[!-~]+")
WEB_URLS: Final = list_of(WEB_URL)
SPAN: Final = matching("([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}([.][0-9]{1,6})?s)?")
PRIVATE_MEMBERS: Final = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
JWK: Final = {**table_of({"anyOf": [TEXT, TEXTS]}), "propertyNames": {"not": {"enum": PRIVATE_MEMBERS}}}
NOT_A_SUBJECT: Final = {"not": {"pattern": "@clients$"}}
PLACES: Final = {"env": SOME_TEXT, "file": SOME_TEXT}
KEYED: Final = matching("[A-Za-z0-9_-]{43}=?")
ARGON2: Final = matching("[$]argon2id[$]v=[0-9]+[$]m=[0-9]+,t=[0-9]+,p=[0-9]+[$][A-Za-z0-9+/]+[$][A-Za-z0-9+/]+")

# By the words of the type. `one of` and `a list of` with words in backticks need no entry.
TYPES: Final[dict[str, Shape]] = {
    "a string": TEXT,
    "true or false": {"type": "boolean"},
    "an integer": {"type": "integer", "minimum": 1, "maximum": LARGEST_COUNT},
    "a number up to 1": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "a duration": {**SPAN, "minLength": 2},
    "a list of strings": TEXTS,
    "a table of strings": table_of(TEXT),
    "a list of scopes for each API": table_of(TEXTS),
    GRANTS.description: list_of({"enum": list(dict.fromkeys([*SHORT_GRANTS, *GRANT_TYPES]))}),
    PUBLIC_KEYS.description: list_of(JWK),
}
# What is read apart from the other keys, and what a dataclass checks beyond the type. A schema cannot know what a
# duration amounts to, what refers to nothing, and what does not go together: `keyfob tenant check` does.
NARROWER: Final[dict[TableSchema, dict[str, Shape]]] = {
    TENANT: {
        "issuer": matching("https?://[!-~]*/"),
        "colour": matching("#[0-9a-fA-F]{6}"),
        "support": matching("(mailto:|[Hh][Tt][Tt][Pp][Ss]?://).*"),
        "privacy": WEB_URL,
        "terms": WEB_URL,
        "logout_urls": WEB_URLS,
        "places": matching("(/|[A-Za-z]:).*"),
        "password_length": {"minimum": SHORTEST_PASSWORD, "maximum": 64},
    },
    APPLICATION: {
        "secrets": list_of(reference_of({**PLACES, "keyed": KEYED})),
        "client_id": {**matching("[!-{}~]{1,64}"), **NOT_A_SUBJECT},
        "public_keys": {"maxItems": MOST_KEYS},
        "certificates": {"maxItems": MOST_KEYS},
        "logout_urls": WEB_URLS,
        "web_origins": WEB_URLS,
    },
    API: {"audience": matching("[!-~]{1,600}"), "scopes": {"propertyNames": matching(r"[!#-\[\]-~]+")}},
    USER: {
        "password": reference_of({**PLACES, "hash": ARGON2}),
        "email": {**matching(r"[^\s@]+@[^\s@]+"), "maxLength": LONGEST_EMAIL},
        "name": {"maxLength": LONGEST_EMAIL},
        "user_id": {**matching(r"[a-z0-9-]+\|[!-~]+"), **NOT_A_SUBJECT, "maxLength": 255},
    },
}


def schema() -> Shape:
    """Return the JSON Schema (2020-12). For Taplo, it has no `$ref` and no keyword newer than draft 6."""
    words = {
        name: {**{key: text for key, _, _, text in ROW.findall(part)}, **dict(ALSO.findall(part))}
        for name, part in SECTION.findall(PAGE.read_text(encoding="utf-8"))
    }
    arrays = {**{name: found for name, (_, found, _) in ARRAYS.items()}, "users": USER}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tenant.toml",
        "type": "object",
        "properties": {
            "tenant": _table("tenant", TENANT, words),
            **{name: list_of(_table(name, found, words)) for name, found in arrays.items()},
        },
        "additionalProperties": False,
    }


def _table(name: str, found: TableSchema, words: Mapping[str, Mapping[str, str]]) -> Shape:
    own = NARROWER.get(found, {})
    nested = {"refresh": REFRESH, "device": DEVICE if found is TENANT else OWN_DEVICE}
    shapes: dict[str, Shape] = {word: shape for word, shape in own.items() if word not in found.keys}
    for key in found.keys.values():
        plain = _table(key.name, nested[key.name], words) if key.name in nested else _value(key)
        shapes[key.name] = {**plain, **own.get(key.name, {})}
    return {
        "type": "object",
        "properties": {word: {"description": words[name][word], **shape} for word, shape in shapes.items()},
        "required": [key.name for key in found.keys.values() if key.default is MISSING],
        "additionalProperties": False,
    }


def _value(key: Key) -> Shape:
    default = {} if key.default in (MISSING, None) else {"default": key.type.write(key.default)}
    words = re.findall("`(.+?)`", key.type.description)
    choice = {"enum": words}
    if key.type is METHODS:
        return {"anyOf": [choice, list_of(choice)], **default}
    if words:
        return {**(list_of(choice) if key.type.description.startswith("a list") else choice), **default}
    return {**TYPES[key.type.description], **default}


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(settle(FILE, text(), check="--check" in sys.argv, remedy="make docs"))

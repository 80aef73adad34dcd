"""The JSON Schema of tenant.toml, for editors. Its descriptions are those of docs/tenant.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Final

from keyfob.server.settings.field_types import Shape, list_of
from keyfob.server.settings.schema import ARRAYS, TENANT, Key, TableSchema
from keyfob.server.settings.users import USER

FILE_NAME: Final = "tenant.schema.json"
_SECTION: Final = re.compile(r"^### \[*(\w+)\]*\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_ROW: Final = re.compile(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", re.MULTILINE)
_ALSO: Final = re.compile(r"^Also `(\w+)`: (.*?)\n\n", re.MULTILINE | re.DOTALL)
Words = Mapping[str, Mapping[str, str]]  # the description of each key, by the sections of the page


def json_schema(page: str) -> Shape:
    """Return the schema (JSON Schema 2020-12), with the descriptions of docs/tenant.md.

    It has no references, and no keyword that draft 6 lacks: Taplo supports no more.
    """
    words: Words = {name: dict(_ROW.findall(text) + _ALSO.findall(text)) for name, text in _SECTION.findall(page)}
    arrays = {**{name: schema for name, (_, schema, _) in ARRAYS.items()}, "users": USER}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tenant.toml",
        "type": "object",
        "properties": {
            "tenant": _table("tenant", TENANT, words),
            **{name: list_of(_table(name, schema, words)) for name, schema in arrays.items()},
        },
        "additionalProperties": False,
    }


def _table(name: str, schema: TableSchema, words: Words) -> Shape:
    shapes = {**schema.extra, **{key.name: _value(key, words) for key in schema.keys.values()}}
    said = words.get(name, {})
    return {
        "type": "object",
        "properties": {key: {"description": said.get(key, ""), **shape} for key, shape in shapes.items()},
        "required": [key.name for key in schema.keys.values() if key.default is MISSING],
        "additionalProperties": False,
    }


def _value(key: Key, words: Words) -> Shape:
    if key.inside is not None:
        return _table(key.name, key.inside, words)
    default = {} if key.default in (MISSING, None) else {"default": key.type.write(key.default)}
    return {**key.type.shape, **default}

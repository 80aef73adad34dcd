"""docs/tenant.md lists every key of tenant.toml with its type and its default."""

import json
from dataclasses import MISSING

import pytest

from keyfob.server.settings.schema import ARRAYS, DEVICE, OWN_DEVICE, REFRESH, TENANT, Key, TableSchema
from keyfob.server.settings.users import USER
from tools.tenant_schema import PAGE, ROW, SECTION

SECTIONS = dict(SECTION.findall(PAGE.read_text(encoding="utf-8")))
SHAPES: dict[str, TableSchema] = {
    "tenant": TENANT,
    "refresh": REFRESH,
    "device": DEVICE,
    "users": USER,
    **{name: shape for name, (_, shape, _) in ARRAYS.items()},
}


def default_of(key: Key) -> str:
    if key.default is MISSING:
        return "required"
    if key.default is None:
        return "not set"
    return "see below" if key.name in {"refresh", "device"} else f"`{json.dumps(key.type.write(key.default))}`"


def test_every_table_has_a_section() -> None:
    assert SECTIONS.keys() == SHAPES.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_every_key_is_on_the_page_with_its_type_and_its_default(name: str) -> None:
    rows: list[tuple[str, str, str]] = [row[:3] for row in ROW.findall(SECTIONS[name])]

    assert rows == [(key.name, key.type.description, default_of(key)) for key in SHAPES[name].keys.values()]


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape.extra])
def test_keys_that_are_read_separately_are_on_the_page_too(name: str) -> None:
    assert [word for word in SHAPES[name].extra if f"`{word}`" not in SECTIONS[name]] == []


def test_an_application_has_its_own_value_for_each_rule_of_the_tenant() -> None:
    own = [(key.name, key.type.description, key.default) for key in OWN_DEVICE.keys.values()]

    assert own == [(key.name, key.type.description, None) for key in DEVICE.keys.values()]
